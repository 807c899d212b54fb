"""Whether a server has ever answered a question: its port, or its health route, does not tell that.

The helper of a launch gives a container its restart policy once the model has answered. Where it has
none, the launch tells why. What nothing is known of, as the launches of other users, exported servers,
and a container that was started again since its launch failed, is left to the health route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.parse.docker_json import parse_time
from gptoss_tui.errors import ConnectionLostError, DockerError, GptossError, NotFoundError
from gptoss_tui.remote import launcher
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.transport import Transport


class _Failed(NamedTuple):
    """A launch that ended before the model had answered."""

    reason: str
    ended_at: datetime | None

    def tells_of(self, state: dict[str, Any]) -> bool:
        """Whether the container has not been started again since; `state` is what Docker shows."""
        started, ended = (parse_time(state.get(time)) for time in ("StartedAt", "FinishedAt"))
        # The helper's stamps are whole seconds: of a first run only that it is the first one counts.
        if started is None or ended is None or self.ended_at is None:
            return True
        return started < self.ended_at


class FirstAnswers:
    """Docker is asked again while there is a reason, for an answer may be seen from elsewhere."""

    def __init__(self, transport: Transport, docker: Callable[[], Awaitable[Docker]]) -> None:
        self._transport = transport
        self._docker = docker
        self._failed: dict[str, _Failed] = {}  # by container, until it has its restart policy
        self._without_reason: set[str] = set()

    async def note(self, instance: Instance) -> None:
        """It has answered: what its launch would have done then is done now, for all who look later."""
        container, spec = instance.container_id, instance.spec
        if container is None or container not in self._failed:
            return
        self._without_reason.add(container)
        if spec is not None and spec.restart_once_ready:
            policy = {"RestartPolicy": {"Name": "unless-stopped"}}
            with suppress(DockerError, NotFoundError):  # the next answer tries again
                await (await self._docker()).post(f"/containers/{container}/update", body=policy)
                self._failed.pop(container, None)

    async def failure_reason(self, instance: Instance) -> str:
        """Why a server of ours without a launch under way has not answered; "" where it may have."""
        container, launch = instance.container_id, instance.launch_id
        if not instance.managed or container is None or launch is None:
            return ""
        if container in self._without_reason:
            return ""
        try:
            reason = await self._why(container, launch)
        except ConnectionLostError:
            raise
        except NotFoundError:
            reason = ""
        except GptossError:
            return self._failed[container].reason if container in self._failed else ""
        if not reason:
            self._without_reason.add(container)
        return reason

    async def _why(self, container: str, launch_id: str) -> str:
        docker = await self._docker()
        about = await docker.get(f"/containers/{container}/json")
        policy = (about.get("HostConfig") or {}).get("RestartPolicy") or {}
        if policy.get("Name") not in (None, "", "no"):
            self._failed.pop(container, None)
            return ""
        if container not in self._failed:
            launch = (await launcher.one_record(self._transport, launch_id)).progress
            if launch.state == "ready" or launch.container_id != container:
                return ""
            ends = (phase.ended_at for phase in launch.phases if phase.ended_at is not None)
            reason = launch.error or "Its launch ended before the model had answered."
            self._failed[container] = _Failed(reason, max(ends, default=None))
        failed = self._failed[container]
        return failed.reason if failed.tells_of(about.get("State") or {}) else ""
