"""The app on simulated boxes whose time only moves when told to: the same picture every time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from gptoss_tui.app.app import GptossApp
from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.sim.clock import ManualClock
from gptoss_tui.sim.profile import H100, L40S, Profile
from gptoss_tui.sim.run import SimFleet
from gptoss_tui.state.paths import Paths

EPOCH = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)
BOXES = (
    Profile("h100-8x-1", (H100,) * 8),
    Profile("l40s-4x-2", (L40S,) * 4, foreign_mib=31_240),
    Profile("h100-8x-3", (H100,) * 8),
)
SIZES = {"160x48": (160, 48), "80x24": (80, 24), "40x12": (40, 12)}
QUIET_S = 0.03  # so long no fact: the app has seen all that there is to see


class Stage:
    """A running app, its boxes and its time."""

    def __init__(self, app: GptossApp, pilot: Pilot[None], clock: ManualClock, hub: Hub) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock
        self.pictures: dict[str, str] = {}
        self._last = 0.0
        hub.tap(self._note)

    def _note(self, fact: AnyFact) -> None:
        self._last = time.monotonic()

    async def settle(self, quiet: float = QUIET_S) -> None:
        """Let the app take in what the boxes say at this moment of theirs."""
        await asyncio.sleep(quiet)
        while time.monotonic() - self._last < quiet:  # noqa: ASYNC110  quiet is no event
            await asyncio.sleep(quiet / 2)
        await self.pilot.pause()

    async def pass_time(self, seconds: float, tick: float, quiet: float = QUIET_S) -> None:
        """Let the boxes' time go on, one `tick` after the other."""
        for _ in range(round(seconds / tick)):
            await self.clock.advance(tick)
            await self.settle(quiet)

    async def until(self, holds: Callable[[], bool], what: str, tick: float = 0.0) -> None:
        """Wait for it; the boxes' time moves by `tick` at each try."""
        for _ in range(600):
            if holds():
                return
            await (self.pass_time(tick, tick) if tick else self.settle())
        raise TimeoutError(f"never so: {what}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def listed(self) -> None:
        """The lists of servers as they are now: the app asks for them by our own seconds."""
        for name, model in self.app.models.items():
            box = self.app.fleet.box(name)
            if box is not None and model.link is not None and model.link.open:
                await box.instances()
        await self.settle()
        figures = getattr(self.app.screen, "_figures", None)
        if figures is not None:
            figures.flush()
        age = getattr(self.app.screen, "_age", None)
        if age is not None:
            age()
            await self.pilot.pause()

    async def draw(self, name: str, *sizes: str, theme: str = "gptoss-dark") -> None:
        """Keep the present place as a picture in each of the sizes."""
        self.app.theme = theme
        for line in self.app.screen.query(Input):
            line.cursor_blink = False
        for size in sizes:
            await self.pilot.resize_terminal(*SIZES[size])
            await asyncio.sleep(0.15)  # logs are drawn a moment after they came
            await self.settle()
            await self.listed()
            suffix = "" if theme == "gptoss-dark" else f"-{theme.removeprefix('gptoss-')}"
            svg = self.app.export_screenshot(title="gptoss-tui")
            self.pictures[f"{name}{suffix}-{size}"] = _bare(svg)
        self.app.theme = "gptoss-dark"
        await self.pilot.resize_terminal(*SIZES["160x48"])
        await self.settle()


def _bare(svg: str) -> str:
    """Without spaces at line ends, which editors and Git take offence at."""
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


@asynccontextmanager
async def stage(home: Path) -> AsyncIterator[Stage]:
    """Set everything up; ends the app and the boxes at the end of the block."""
    os.environ |= {"TZ": "UTC", "GPTOSS_TUI_HOME": str(home), "USER": "operator"}
    os.environ |= {"LOGNAME": "operator", "HOME": str(home)}
    os.environ.pop("NO_COLOR", None)
    time.tzset()
    clock = ManualClock(EPOCH)
    hub = Hub(clock.now)
    paths = Paths(config=home / "config", data=home / "data", state=home / "state")
    async with SimFleet(seed=7, traffic=7.0, clock=clock, kinds=BOXES) as sim:
        ssh = home / ".ssh"
        ssh.mkdir(mode=0o700)
        (ssh / "config").write_text(sim.ssh_config.read_text())
        options = FleetOptions(source="demo", with_local=False)
        async with Fleet(hub, paths, options, pulse=clock) as fleet:
            app = GptossApp(fleet, demo=True, clock=clock.now)
            app.animation_level = "none"
            async with app.run_test(size=SIZES["160x48"]) as pilot:
                await pilot.pause()
                yield Stage(app, pilot, clock, hub)
