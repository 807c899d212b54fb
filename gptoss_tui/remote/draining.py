"""Stopping a server with its requests ended first, as `domain.draining` plans it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gptoss_tui.domain.draining import Draining, StopPlan, busy
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import EngineError, NotFoundError
from gptoss_tui.remote.pulse import Pulse

LOOK_S = 1.0
Scrape = Callable[[], Awaitable[EngineSnapshot]]
Tell = Callable[[Draining], object]


class Drain:
    """Watches one server while it is being stopped, and tells how far that is."""

    def __init__(self, scrape: Scrape, tell: Tell, pulse: Pulse) -> None:
        self._scrape = scrape
        self._tell = tell
        self._pulse = pulse

    async def run(self, plan: StopPlan, signal: Callable[[], Awaitable[None]]) -> float | None:
        """Wait until nothing runs, then `signal` (which returns when the server has ended).

        Returns how many requests were cut, as far as the last look told; None where it did not.
        Cancelled while it waits, it leaves the server as it is.
        """
        if plan.watch_s:
            await self._idle(plan)
        at_work = busy(await self._figures())
        if not plan.engine_s:
            await signal()
            return at_work
        began = self._pulse.seconds()
        ending = asyncio.ensure_future(signal())
        try:
            at_work = await self._until(ending, plan.engine_s)
            await ending
        finally:
            ending.cancel()
        # An engine that ends before its limit has ended what ran.
        return at_work if self._pulse.seconds() - began >= plan.engine_s else 0

    async def _idle(self, plan: StopPlan) -> None:
        """Until two looks in a row saw nothing at work, or the time is over."""
        deadline = self._pulse.seconds() + plan.watch_s
        quiet = 0
        while quiet < 2:
            left_s = deadline - self._pulse.seconds()
            figures = await self._figures()
            at_work = busy(figures)
            if left_s <= 0 or at_work is None:
                return
            quiet = quiet + 1 if at_work == 0 else 0
            if at_work:
                self._say(figures, left_s + plan.engine_s, refuses_new=False)
            await self._pulse.sleep(min(LOOK_S, left_s))

    async def _until(self, ending: asyncio.Future[None], engine_s: float) -> float | None:
        """Tell the figures until the server has ended; what the last look saw."""
        deadline = self._pulse.seconds() + engine_s
        seen: float | None = None
        while True:
            figures = await self._figures()
            if ending.done():
                return seen
            at_work = busy(figures)
            left_s = max(0.0, deadline - self._pulse.seconds())
            seen = at_work if at_work is not None else seen
            if at_work:
                self._say(figures, left_s, refuses_new=True)
            pause = asyncio.ensure_future(self._pulse.sleep(LOOK_S))
            await asyncio.wait({ending, pause}, return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()

    def _say(self, figures: EngineSnapshot | None, left_s: float, *, refuses_new: bool) -> None:
        assert figures is not None
        self._tell(
            Draining(
                running=figures.running,
                waiting=figures.waiting,
                left_s=round(left_s, 1),
                refuses_new=refuses_new,
            )
        )

    async def _figures(self) -> EngineSnapshot | None:
        """None where the server is silent (it loads, hangs or has ended)."""
        try:
            return await self._scrape()
        except (EngineError, NotFoundError):
            return None
