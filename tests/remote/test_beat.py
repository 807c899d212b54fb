"""Scrapes that come with the GPU figures, and keep their own time where there are none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gptoss_tui.remote.beat import Beat


class HandTime:
    """A pulse that goes on when told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def seconds(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self.now + seconds, woken))
        await woken.wait()

    async def until(self, moment: float) -> None:
        """Go on, waking who sleeps, with time for each to say what it does next."""
        self.now = moment
        for due, woken in self._sleepers:
            if due <= moment:
                woken.set()
        for _ in range(10):
            await asyncio.sleep(0)


async def _ends(
    beat: Beat, time: HandTime, began: float, strikes: Callable[[float], bool]
) -> float:
    """When a pause that began at `began` ends, with beats as `strikes` says."""
    pause = asyncio.ensure_future(beat.pause(began, 1.0))
    await asyncio.sleep(0)
    for tenth in range(int(began * 20) + 1, int(began * 20) + 60):
        await time.until(tenth / 20)
        if strikes(tenth / 20):
            beat.strike()
            await time.until(tenth / 20)
        if pause.done():
            return time.now
    raise AssertionError("the pause did not end")


@pytest.mark.parametrize(
    ("beats", "ended"),
    [
        ((), 11.0),  # never a beat: the period
        ((10.0, 11.0), 11.0),  # in time
        ((10.0, 11.2), 11.2),  # a little late: waited for
        ((10.0, 10.8), 10.8),  # a little early: taken
        ((10.0, 10.4, 11.4), 11.25),  # far off: nearer to it by a quarter
        ((6.0,), 11.0),  # they ended: the period again
    ],
)
async def test_a_pause_ends_with_a_beat_that_is_near(
    beats: tuple[float, ...], ended: float
) -> None:
    time = HandTime()
    beat = Beat(time)
    for at in beats:
        if at <= 10.0:
            time.now = at
            beat.strike()
    time.now = 10.0
    assert await _ends(beat, time, 10.0, lambda now: now > 10.0 and now in beats) == ended


async def test_a_cancelled_pause_leaves_nothing_behind() -> None:
    time = HandTime()
    beat = Beat(time)
    beat.strike()
    before = asyncio.all_tasks()
    pause = asyncio.ensure_future(beat.pause(0.0, 1.0))
    await asyncio.sleep(0)
    await time.until(0.75)
    pause.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pause
    assert asyncio.all_tasks() == before
