"""The later life of one server: stopped, drained or restarted, its requests ended first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from gptoss_tui.domain.draining import stop_plan
from gptoss_tui.domain.spot import drain_plan
from gptoss_tui.remote.draining import Drain
from gptoss_tui.remote.endpoints import Endpoints
from gptoss_tui.remote.launcher import Replaced
from gptoss_tui.remote.pulse import Pulse
from gptoss_tui.remote.servers import Servers


class Lifecycle:
    """What `Box.stop`, `Box.drain` and `Box.restart` do; `tell` publishes how far a drain is."""

    def __init__(
        self,
        name: str,
        servers: Servers,
        endpoints: Endpoints,
        tell: Callable[[Any], object],
        pulse: Pulse,
    ) -> None:
        self._name = name
        self._servers = servers
        scrape = partial(endpoints.scrape, name)
        self._drain = Drain(scrape, tell, pulse)

    async def stop(self, drain_s: int | None, grace_s: int | None) -> str:
        """Stop and remove it; returns a sentence. Raises `NotFoundError`, `DockerError`."""
        instance = await self._servers.ours(self._name)
        plan = stop_plan(instance, drain_s, grace_s)
        signal = partial(self._servers.signal, instance, plan.grace_s)
        cut = await self._drain.run(plan, signal)
        await self._servers.remove(instance)
        return f"{self._name} was stopped and its container removed.{_told(cut)}"

    async def drain(self, within_s: float) -> str:
        """Stop it before the box goes away; returns a sentence. Raises as `stop` does."""
        instance = await self._servers.ours(self._name)
        plan = drain_plan(instance, within_s)
        cut = await self._drain.run(plan, partial(self._servers.signal, instance, plan.grace_s))
        return f"{self._name} was drained and stopped; its container stays.{_told(cut)}"

    async def replaced(self) -> Replaced:
        """What a launch in its place must know of it. Raises `NotFoundError`."""
        instance = await self._servers.ours(self._name)
        assert instance.container_id is not None
        return Replaced(instance.container_id, stop_plan(instance).grace_s)

    async def restart(self, drain_s: int | None) -> str:
        """Restart its container; returns a sentence. Raises `NotFoundError`, `DockerError`."""
        instance = await self._servers.ours(self._name)
        plan = stop_plan(instance, drain_s)
        cut = await self._drain.run(plan, partial(self._servers.restart, instance, plan.grace_s))
        return f"{self._name} was restarted and loads again.{_told(cut)}"


def _told(cut: float | None) -> str:
    if not cut:
        return ""
    return f" {cut:.0f} {'request was' if cut == 1 else 'requests were'} cut."
