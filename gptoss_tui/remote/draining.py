"""Stopping a server with its requests ended first, as `domain.draining` plans it.

A server that hangs answers nothing: no step waits longer for its figures than the plan has time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import httpx

from gptoss_tui.domain.draining import Draining, StopPlan, busy
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import EngineError, NotFoundError
from gptoss_tui.remote.pulse import Pulse

LOOK_S = 1.0
COUNT_S = 5.0  # how long a stop without a drain waits for the number of requests that it cuts
CLOSED = 2  # so many looks in a row that found the port closed
T = TypeVar("T")
Scrape = Callable[[], Awaitable[EngineSnapshot]]
Tell = Callable[[Draining], object]


class Drain:
    """Watches one server while it is being stopped, and tells how far that is."""

    def __init__(self, scrape: Scrape, tell: Tell, pulse: Pulse) -> None:
        self._scrape = scrape
        self._tell = tell
        self._pulse = pulse
        self._closed = False  # whether the last look found the port closed

    async def run(
        self, plan: StopPlan, signal: Callable[[], Awaitable[None]], count_s: float = COUNT_S
    ) -> float | None:
        """Wait until nothing runs, then `signal` (which returns when the server has ended).

        Returns how many requests were cut, as far as the last look told; None where it did not.
        Where nothing is waited for, one look counts them, in `count_s` seconds at most.
        Cancelled while it waits, it leaves the server as it is.
        """
        at_work = await self._idle(plan) if plan.watch_s else None
        if not plan.engine_s:
            if not plan.watch_s:
                at_work = busy(await self._figures(count_s))
            await signal()
            return at_work
        ending = asyncio.ensure_future(signal())
        try:
            at_work = await self._until(ending, plan.engine_s)
            await ending
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        return at_work

    async def _idle(self, plan: StopPlan) -> float | None:
        """Until two looks in a row saw nothing at work, or the time is over; what the last saw."""
        deadline = self._pulse.seconds() + plan.watch_s
        quiet, seen = 0, None
        while quiet < 2:
            left_s = deadline - self._pulse.seconds()
            if left_s <= 0:
                return seen
            figures = await self._figures(left_s)
            seen = at_work = busy(figures)
            if at_work is None:
                return None
            quiet = quiet + 1 if at_work == 0 else 0
            if at_work:
                self._say(figures, left_s + plan.engine_s, refuses_new=False)
            await self._pulse.sleep(min(LOOK_S, left_s))
        return seen

    async def _until(self, ending: asyncio.Future[None], engine_s: float) -> float | None:
        """Tell the figures until the server has ended; how many requests that has cut.

        An engine that ends before its limit, or closes its port, has ended what ran: the rest of
        its process may take longer.
        """
        deadline = self._pulse.seconds() + engine_s
        seen: float | None = None
        closed = 0
        while not ending.done():
            figures = await self._while(ending, self._figures())
            left_s = deadline - self._pulse.seconds()
            if not ending.done():
                closed = closed + 1 if self._closed else 0
                if closed == CLOSED and left_s > 0:
                    await asyncio.wait({ending})
                    return 0
            at_work = busy(figures)
            seen = at_work if at_work is not None else seen
            if at_work:
                self._say(figures, max(0.0, left_s), refuses_new=True)
            await self._while(ending, self._pulse.sleep(LOOK_S))
        return seen if self._pulse.seconds() >= deadline else 0

    async def _while(self, ending: asyncio.Future[None], work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` comes to, unless the server has ended before."""
        doing = asyncio.ensure_future(work)
        both: set[asyncio.Future[Any]] = {ending, doing}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)

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

    async def _figures(self, within_s: float | None = None) -> EngineSnapshot | None:
        """None where the server is silent (it loads, hangs or has ended), or too slow."""
        self._closed = False
        if within_s is not None and within_s <= 0:
            return None
        try:
            async with asyncio.timeout(within_s):
                return await self._scrape()
        except EngineError as error:
            # A server that is late says nothing of itself; one that takes no connection does.
            self._closed = not isinstance(error.__cause__, httpx.TimeoutException)
        except (NotFoundError, TimeoutError):
            pass
        return None
