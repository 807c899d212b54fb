"""The simulated box's time: real time in which things take less, or one that moves when told to."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """`seconds` is what things take, since the box was switched on.

    `now` is the box's wall clock (UTC), and `at` what that shows when `seconds` is so much.
    """

    def seconds(self) -> float: ...
    def now(self) -> datetime: ...
    def at(self, seconds: float) -> datetime: ...
    async def sleep(self, seconds: float) -> None: ...


class ScaledClock:
    """Things go `speed` times as fast; the wall clock does not, for clients compare it with theirs."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._began = asyncio.get_running_loop().time()
        self._epoch = datetime.now(UTC)

    def seconds(self) -> float:
        return (asyncio.get_running_loop().time() - self._began) * self._speed

    def now(self) -> datetime:
        return self.at(self.seconds())

    def at(self, seconds: float) -> datetime:
        return self._epoch + timedelta(seconds=seconds / self._speed)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class ManualClock:
    """Time that stands still until `advance`: for pictures and for tests."""

    def __init__(self, epoch: datetime) -> None:
        self._epoch = epoch
        self._seconds = 0.0
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    def seconds(self) -> float:
        return self._seconds

    def now(self) -> datetime:
        return self.at(self._seconds)

    def at(self, seconds: float) -> datetime:
        return self._epoch + timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self._seconds + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking every sleeper in its turn."""
        until = self._seconds + seconds
        await _turns()  # who was just started goes to its first sleep
        while self._waiting and self._waiting[0][0] <= until:
            self._seconds, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
            await _turns()
        self._seconds = until


async def _turns() -> None:
    """Let the tasks that can run go on to their next sleep."""
    for _ in range(20):
        await asyncio.sleep(0)
