"""A soak: `python -m tests.real.soak` (`make soak`): connections break every few seconds, for long.

One real sshd with everything that the app has going: GPU stream, list of servers, a followed log, an
engine's figures, a forwarded endpoint. The connection's sshd process is killed (kill -9) again and
again. After each return, when all flows, it is counted: memory, tasks, objects, open files, remote
processes. None may grow, and every line of the log has to come exactly once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from tests.real import faults
from tests.real.as_app import AppBox, as_app
from tests.real.faults import eventually
from tests.real.light_box import LightBox, config_of, light_box, missing

NAME = "box"
SECONDS = 30 * 60
MIB = 1024**2
PAUSE_S = (0.5, 6.0)  # how long a connection lives once all flows
HURRY_S = 2.0  # by then a user asks for it, where connections end so soon that pauses grow
RETURN_S = 60.0
LEFT_S = 60.0
LINES_S = 30.0


@dataclass(frozen=True)
class Counted:
    """One moment at which all flowed."""

    at: float
    rss: int
    objects: int
    tasks: int
    files: int
    remote: int


# By how much the median of the last third may be above that of the first one.
ALLOWED = {"rss": 12 * MIB, "objects": 2000, "tasks": 2, "files": 2, "remote": 1}


@dataclass
class Outcome:
    """What was counted. `wrong` is empty when all held."""

    seconds: float
    breaks: int = 0
    lines: int = 0
    slowest_return_s: float = 0.0
    counted: list[Counted] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def told(self) -> str:
        first, last = (asdict(one) for one in (self.counted[0], self.counted[-1]))
        said = {key: value for key, value in vars(self).items() if key != "counted"}
        return json.dumps({**said, "first": first, "last": last, "growth": self.growth()}, indent=1)

    def growth(self) -> dict[str, float]:
        """From the median of the first third to that of the last one; each third has some."""
        third = max(1, len(self.counted) // 3)
        begin, end = self.counted[:third], self.counted[-third:]
        return {
            name: median(getattr(one, name) for one in end)
            - median(getattr(one, name) for one in begin)
            for name in ALLOWED
        }


def soak(seconds: float, seed: int, tell: Callable[[str], None] = lambda line: None) -> Outcome:
    """The whole soak, box included."""
    outcome = Outcome(seconds)
    with tempfile.TemporaryDirectory(prefix="gptoss-soak-") as name, light_box() as light:
        asyncio.run(_soaked(outcome, light, Path(name), random.Random(seed), tell))
    outcome.wrong += [
        f"{name} grew by {grown:.0f}, more than {ALLOWED[name]}"
        for name, grown in outcome.growth().items()
        if grown > ALLOWED[name]
    ]
    return outcome


async def _soaked(
    outcome: Outcome,
    light: LightBox,
    home: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    config = config_of({NAME: light}, home)
    before = _tasks_and_files()
    began = time.monotonic()
    async with as_app(config, home, NAME) as (box,):
        while time.monotonic() < began + outcome.seconds:
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            losses, looks = box.seen.losses, box.seen.looks
            await asyncio.to_thread(faults.signal_sshd, light.box, signal.SIGKILL)
            outcome.breaks += 1
            if not await _came_back(box, losses, looks, outcome):
                return
            counted = await _count(light, began)
            outcome.counted.append(counted)
            tell(json.dumps(asdict(counted)))
        await _whole(light, box, outcome)
    await _nothing_left(light, before, outcome)


async def _came_back(box: AppBox, losses: int, looks: int, outcome: Outcome) -> bool:
    began = time.monotonic()
    try:
        await eventually("it noticed", lambda: box.seen.losses > losses, 10)
        await _hurried(box)
        await box.flows(RETURN_S)
        # The look at the box that follows each login has ended: what it starts there is no growth.
        await eventually("it was looked at", lambda: box.seen.looks > looks, RETURN_S)
    except AssertionError as error:
        outcome.wrong.append(f"after break {outcome.breaks}: {error}")
        return False
    took = round(time.monotonic() - began, 1)
    outcome.slowest_return_s = max(outcome.slowest_return_s, took)
    return True


async def _hurried(box: AppBox) -> None:
    try:
        await eventually("up by itself", lambda: box.seen.phase == "up", HURRY_S)
    except AssertionError:
        box.keeper.hurry()


async def _count(light: LightBox, began: float) -> Counted:
    remote = await asyncio.to_thread(_calm_remote, light)
    gc.collect()
    tasks, files = _tasks_and_files()
    at = round(time.monotonic() - began, 1)
    return Counted(at, _rss(), len(gc.get_objects()), tasks, files, remote)


def _rss() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _calm_remote(light: LightBox) -> int:
    """The fewest within a second: a query every few seconds is there for a moment."""
    until, fewest = time.monotonic() + 1.0, len(light.left())
    while time.monotonic() < until:
        fewest = min(fewest, len(light.left()))
    return fewest


def _tasks_and_files() -> tuple[int, int]:
    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))


async def _whole(light: LightBox, box: AppBox, outcome: Outcome) -> None:
    outcome.lines = await asyncio.to_thread(light.fall_silent)
    lines = box.seen.lines
    try:
        await eventually("all lines", lambda: lines.expected >= outcome.lines, LINES_S)
    except AssertionError:
        outcome.wrong.append(f"{lines.expected} of {outcome.lines} lines came")
    outcome.wrong += lines.wrong


async def _nothing_left(light: LightBox, before: tuple[int, int], outcome: Outcome) -> None:
    def as_before() -> bool:
        here = _tasks_and_files()
        return here[0] <= before[0] and here[1] <= before[1]

    try:
        await eventually("as before", as_before, 10)
        await eventually("nothing left", lambda: not light.left(), LEFT_S)
    except AssertionError:
        outcome.wrong.append(f"tasks, files: {before}, now {_tasks_and_files()}")
        outcome.wrong.append(f"left on the box: {light.left()}")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(words)
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 2
    outcome = soak(
        arguments.seconds, arguments.seed, lambda line: print(line, file=sys.stderr, flush=True)
    )
    print(outcome.told())
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
