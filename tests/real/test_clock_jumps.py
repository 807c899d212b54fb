"""Clocks that jump: a laptop that wakes, and a box whose clock is set, with a real sshd.

The wall clock of a test machine belongs to others as well, and a time namespace holds only the other
clocks. So here the app is given another wall clock, and the box's programs are: what they print is
what a box prints whose clock was set.
"""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.remote import reconnect
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.remote.link import AFTER_WAKE_S, LOST_S, LinkWatch
from gptoss_tui.remote.reconnect import WakeDetector
from tests.app.support import at_app
from tests.real import faults
from tests.real.as_app import AppBox, as_app
from tests.real.faults import eventually
from tests.real.light_box import LightBox, config_of, light_box
from tests.remote.support import paths_in

HOUR_S = 3600


class Wall:
    """The wall clock of a laptop, which alone goes on while it is closed."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.slept_s


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    clock = Wall()
    monkeypatch.setattr(LinkWatch.__init__, "__defaults__", (time.monotonic, clock))
    monkeypatch.setattr(WakeDetector.__init__, "__defaults__", (clock, time.monotonic))
    return clock


@pytest.mark.usefixtures("_parts")
async def test_a_laptop_that_wakes_elsewhere_asks_at_once(
    tmp_path: Path, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without the wake nothing would happen for an hour.
    monkeypatch.setattr(reconnect, "PAUSES_S", (float(HOUR_S),))
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path))
    with light_box() as light:
        options = FleetOptions(config_file=config_of({"box": light}, tmp_path), with_local=False)
        log = light.box.log_of_sshd(2200)
        async with (
            Fleet(Hub(lambda: datetime.now(UTC)), paths_in(tmp_path), options) as fleet,
            at_app(fleet, (120, 40)) as operator,
        ):
            await operator.press("enter")
            await operator.sees("● connected", seconds=30)
            wall.slept_s += 8 * HOUR_S  # the same network: nothing is cut
            faults.cable(light.box, "down")
            cut = time.monotonic()
            await operator.sees("degraded", seconds=10)
            wall.slept_s += 8 * HOUR_S
            await operator.sees("Next attempt in", seconds=LOST_S)
            assert time.monotonic() - cut < (AFTER_WAKE_S + LOST_S) / 2
            faults.cable(light.box, "up")
            assert log.count("^Accepted publickey") == 1
            wall.slept_s += 8 * HOUR_S
            await operator.sees("● connected", seconds=30)
            assert log.count("^Accepted publickey") == 2


@pytest.mark.usefixtures("_parts")
async def test_a_box_whose_clock_is_set(tmp_path: Path) -> None:
    late: list[float] = []

    def take(fact: AnyFact) -> None:
        if isinstance(fact.body, GpuSnapshot):
            late.append(fact.body.behind_s or 0.0)

    with light_box() as light:
        async with as_app(config_of({"box": light}, tmp_path), tmp_path, "box") as (box,):
            box.hub.tap(take)
            for ahead_s in (-HOUR_S, HOUR_S):
                light.set_clock(ahead_s)
                await box.flows()
                await lost_and_found(light, box, ahead_s)
            # Set back under a log that went on after a loss, by hours and by seconds.
            for ahead_s in (-HOUR_S, -HOUR_S - 8):
                light.set_clock(ahead_s)
                await box.flows()
            await lost_and_found(light, box, -HOUR_S - 8)
            light.set_clock(HOUR_S)
            await box.flows()
            await lost_and_found(light, box, 0, away_s=8)  # set back while nobody was there
            written = await asyncio.to_thread(light.fall_silent)
            await eventually("all lines", lambda: box.seen.lines.expected >= written, 30)
            assert box.seen.lines.wrong == []
            assert box.seen.wrong == []
        # No figure was dated back by what the clock was set.
        assert len(late) >= 5
        assert max(late) < HOUR_S / 60


async def lost_and_found(light: LightBox, box: AppBox, ahead_s: int, away_s: float = 0) -> None:
    """The connection ends, and all goes on behind it; then the clock shows this."""
    losses = box.seen.losses
    if away_s:
        faults.cable(light.box, "down")
    await asyncio.to_thread(faults.signal_sshd, light.box, signal.SIGKILL)
    light.set_clock(ahead_s)
    if away_s:
        await asyncio.sleep(away_s)  # it is the length of the silence that matters
        faults.cable(light.box, "up")
    await eventually("it noticed", lambda: box.seen.losses > losses, 10)
    box.keeper.hurry()
    await box.flows()
