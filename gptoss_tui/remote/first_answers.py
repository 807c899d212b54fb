"""Whether a server has ever answered a question: its port, or its health route, does not tell that.

The helper of a launch gives a container its restart policy once the model has answered. Where it has
none, the launch tells why. What nothing is known of, as the launches of other users and exported
servers, is left to the health route.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

from gptoss_tui.domain.instance import Instance
from gptoss_tui.errors import ConnectionLostError, DockerError, GptossError, NotFoundError
from gptoss_tui.remote import launcher
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.transport import Transport


class FirstAnswers:
    """What is known of each container is asked once, until `note` is told of an answer."""

    def __init__(self, transport: Transport, docker: Callable[[], Awaitable[Docker]]) -> None:
        self._transport = transport
        self._docker = docker
        self._missing: dict[str, str] = {}

    async def note(self, instance: Instance) -> None:
        """It has answered: what its launch would have done then is done now, for all who look later."""
        container, spec = instance.container_id, instance.spec
        if container is None or not self._missing.get(container):
            return
        self._missing[container] = ""
        if spec is not None and spec.restart_once_ready:
            policy = {"RestartPolicy": {"Name": "unless-stopped"}}
            with suppress(DockerError, NotFoundError):  # the answer itself is there
                await (await self._docker()).post(f"/containers/{container}/update", body=policy)

    async def missing(self, instance: Instance) -> str:
        """Why a server of ours without a launch under way has not answered; "" where it may have."""
        container, launch = instance.container_id, instance.launch_id
        if not instance.managed or container is None or launch is None:
            return ""
        if container not in self._missing:
            try:
                self._missing[container] = await self._why(container, launch)
            except ConnectionLostError:
                raise
            except GptossError:
                return ""
        return self._missing[container]

    async def _why(self, container: str, launch_id: str) -> str:
        docker = await self._docker()
        about = await docker.get(f"/containers/{container}/json")
        policy = (about.get("HostConfig") or {}).get("RestartPolicy") or {}
        if policy.get("Name") not in (None, "", "no"):
            return ""
        launch = (await launcher.one_record(self._transport, launch_id)).progress
        if launch.state == "ready" or launch.container_id != container:
            return ""
        return launch.error or "Its launch ended before the model had answered."
