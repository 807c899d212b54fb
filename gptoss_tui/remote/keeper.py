"""Keeping one box connected: the only place that publishes its `LinkState`.

It connects, holds what watches the box while the link is open, and connects again after a loss. It
repeats nothing that changes a box: only what observes is begun anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

from gptoss_tui.domain.host import LinkPhase, LinkState
from gptoss_tui.errors import GptossError, StateError, UnansweredError, UnknownHostKeyError
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.fleet_port import FleetPort
from gptoss_tui.remote.reconnect import Backoff, may_retry

Watching = Callable[[Box], Awaitable[None]]


class Keeper:
    """One box. `watching` runs while it is connected, and is cancelled when the link is lost."""

    def __init__(
        self, name: str, fleet: FleetPort, watching: Watching, backoff: Backoff | None = None
    ) -> None:
        self._name = name
        self._fleet = fleet
        self._watching = watching
        self._backoff = backoff or Backoff()
        self._hurry = asyncio.Event()
        self._was_up = False
        self.waiting = False

    async def run(self, first_failure: Callable[[GptossError], None]) -> None:
        """Until cancelled. Raises what may not be tried again by itself.

        `first_failure` is told why the first attempt failed; later ones are in the link's reason.
        """
        self._say("connecting")
        phase: LinkPhase
        while True:
            try:
                box = await self._fleet.connect(self._name)
            except GptossError as error:
                if not may_retry(error, was_up=self._was_up):
                    asks = isinstance(error, UnknownHostKeyError | UnansweredError)
                    self._say("needs_you" if asks else "lost", error.message)
                    raise
                if self._backoff.failures == 0:
                    first_failure(error)
                reason, phase = str(error), "retrying"
            else:
                self._was_up = True
                self._backoff.connected()
                try:
                    self._fleet.remember(self._name)
                except StateError as error:
                    first_failure(error)
                reason, phase = await self._hold(box), "lost"
            await self._pause(phase, reason)
            self._say("retrying", reason)

    def hurry(self) -> None:
        """Somebody asks for it, or this machine woke: try at once instead of waiting."""
        self._hurry.set()

    async def _hold(self, box: Box) -> str:
        """Until the link is lost; why it was."""
        watching = asyncio.ensure_future(self._watching(box))
        try:
            changes = cast("AsyncGenerator[LinkState, None]", box.link_changes())
            async with contextlib.aclosing(changes) as states:
                async for state in states:
                    self._publish(state)
                    if state.phase == "lost":
                        return state.reason
            return "The connection was lost."
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _pause(self, phase: LinkPhase, reason: str) -> None:
        seconds = self._backoff.pause()
        self._say(phase, f"{reason} Next attempt in {seconds:.0f} s.")
        self._hurry.clear()
        self.waiting = True
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
            self._backoff.reset()
        except TimeoutError:
            pass
        finally:
            self.waiting = False

    def _say(self, phase: LinkPhase, reason: str = "") -> None:
        self._publish(LinkState(phase=phase, reason=reason))

    def _publish(self, state: LinkState) -> None:
        self._fleet.hub.publish(state, box=self._name)
