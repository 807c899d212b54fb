"""The later life of one server: stopped, drained or restarted, its requests ended first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gptoss_tui.domain.draining import check_ours, cut_told, stop_plan
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch_words import cancel_words
from gptoss_tui.domain.spot.drain import MARGIN_S, drain_plan
from gptoss_tui.errors import CommandError, ConflictError, NotFoundError
from gptoss_tui.remote.draining import COUNT_S, Drain
from gptoss_tui.remote.endpoints import Endpoints
from gptoss_tui.remote.launcher import Replaced
from gptoss_tui.remote.pulse import Pulse
from gptoss_tui.remote.servers import Servers

# How long a drain before the box goes away waits for a fresh list of the servers, at most.
FIND_S = 5.0


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
        self._pulse = pulse

    async def stop(self, drain_s: int | None, grace_s: int | None) -> str:
        """Stop and remove it; returns a sentence. One that is still being launched is cancelled.

        Raises `NotFoundError`, `DockerError`, `ConflictError` while an upgrade of it is under way,
        `CommandError` where the launch is still being cancelled.
        """
        instance = await self._servers.settled(self._name)
        if instance.being_launched:
            if told := await self._cancelled(instance.launch_id or ""):
                return told
            instance = await self._servers.settled(self._name)
        check_ours(instance)
        if instance.has_ended:  # its port may be another's by now, and so its requests
            await self._servers.remove(instance)
            return f"The container of {self._name} was removed."
        plan = stop_plan(instance, drain_s, grace_s)
        signal = partial(self._servers.signal, instance, plan.grace_s)
        cut = await self._drain.run(plan, signal)
        with suppress(NotFoundError):  # gone already
            await self._servers.remove(instance)
        return f"{self._name} was stopped and its container removed.{cut_told(instance, plan, cut)}"

    async def _cancelled(self, launch_id: str) -> str:
        """What has become of its launch; "" where that has just ended by itself.

        Raises `CommandError` where it takes longer.
        """
        try:
            progress = await self._servers.cancel(launch_id)
        except CommandError:
            return ""
        if progress.state == "running":
            raise CommandError(f"{self._name} is not stopped yet.", cancel_words(progress))
        return cancel_words(progress) if progress.state == "cancelled" else ""

    async def drain(self, within_s: float) -> str:
        """Stop it before the box goes away; returns a sentence. Raises as `stop` does.

        What it takes to find the server is taken from the time that its requests have.
        """
        deadline = self._pulse.seconds() + within_s
        instance = await self._found(max(1.0, min(FIND_S, within_s / 2)))
        left_s = deadline - self._pulse.seconds()
        plan = drain_plan(instance, left_s)
        signal = partial(self._servers.signal, instance, plan.grace_s)
        cut = await self._drain.run(plan, signal, min(COUNT_S, left_s - MARGIN_S - plan.grace_s))
        drained = "drained and stopped" if plan.watch_s or plan.engine_s else "stopped"
        told = cut_told(instance, plan, cut)
        return f"{self._name} was {drained}; its container stays.{told}"

    async def _found(self, within_s: float) -> Instance:
        """One of ours, as the box lists it now; as it was listed last where that takes too long."""
        try:
            async with asyncio.timeout(within_s):
                return await self._servers.ours(self._name)
        except TimeoutError as error:
            known = await self._servers.named(self._name)
            if known.managed and known.container_id is not None:
                return known
            raise CommandError(
                f"The box did not list its servers in {within_s:.0f} s, so {self._name} was not "
                "stopped.",
                "It may be overloaded: try again.",
            ) from error

    async def replaced(self) -> Replaced:
        """What a launch in its place must know of it. Raises `NotFoundError`."""
        instance = await self._servers.ours(self._name)
        assert instance.container_id is not None
        return Replaced(self._name, instance.container_id, stop_plan(instance).grace_s)

    async def restart(self, drain_s: int | None) -> str:
        """Restart its container; returns a sentence.

        Raises as `stop` does, and `ConflictError` while it is being launched.
        """
        instance = await self._servers.settled(self._name)
        check_ours(instance)
        if instance.state == "launching":
            raise ConflictError(
                f"{self._name} is still being launched, which a restart would break off.",
                f"Wait for it, or cancel it (`gptoss-tui cancel BOX {instance.launch_id or ''}`).",
            )
        plan = stop_plan(instance, drain_s)
        cut = await self._drain.run(plan, partial(self._servers.restart, instance, plan.grace_s))
        return f"{self._name} was restarted and loads again.{cut_told(instance, plan, cut)}"
