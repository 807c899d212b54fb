"""Random faults on many real boxes at once: `python -m tests.real.fault_run` (`make faults`).

Each box has its own row of faults, drawn from the seed: it does not depend on how quick anything is.
Afterwards every box has to be up, with every line of its log exactly once and in order; no figure
may have been shown as fresh while its box was gone; nothing may be left, here or there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.real import faults
from tests.real.as_app import AppBox, as_app
from tests.real.faults import eventually
from tests.real.light_box import LightBox, config_of, light_box, missing

UP_AGAIN_S = 90.0  # the longest pause between attempts is 36 s, and a login may have to time out
LINES_S = 30.0
LEFT_S = 75.0  # the network's silence ends a process of ours in 60 s
DELAY_S = 0.3
LONG_S = (31.0, 40.0)  # beyond the 30 s after which a silent connection is given up


@dataclass(frozen=True)
class Fault:
    """`gone`: nothing can come from the box meanwhile. `end` makes it good again."""

    name: str
    begin: Callable[[LightBox], None]
    end: Callable[[LightBox], None] = lambda box: None
    gone: bool = False


def _delayed(seconds: float, light: LightBox) -> None:
    assert light.relay is not None
    light.relay.delay_s = seconds


def _of(act: Callable[..., None], *words: object) -> Callable[[LightBox], None]:
    return lambda light: act(light.box, *words)


FAULTS = (
    Fault("kill -9 of sshd's child", _of(faults.signal_sshd, signal.SIGKILL)),
    Fault(
        "kill -9 of sshd",
        _of(faults.signal_sshd_and_master, signal.SIGKILL),
        LightBox.start_sshd,
        gone=True,
    ),
    Fault(
        "SIGSTOP of sshd",
        _of(faults.signal_sshd_and_master, signal.SIGSTOP),
        _of(faults.signal_sshd_and_master, signal.SIGCONT),
        gone=True,
    ),
    Fault("link down", _of(faults.cable, "down"), _of(faults.cable, "up"), gone=True),
    Fault("5 % loss", _of(faults.lose, "-I"), _of(faults.lose, "-D")),
    Fault("narrow link", _of(faults.narrow, "add"), _of(faults.narrow, "del")),
)
DELAY = Fault("delay", partial(_delayed, DELAY_S), partial(_delayed, 0.0))


@dataclass(frozen=True)
class Plan:
    """How hard it gets. `long` is the share of outages that last `LONG_S`, the others at most 9 s;
    without patience boxes are asked to hurry at the end, as a user would."""

    boxes: int = 10
    faults: int = 200
    seed: int = 1
    long: float = 0.05
    longest_s: float = 9.0
    patient: bool = True


@dataclass
class Outcome:
    """What happened. `wrong` is empty when all held.

    For information: `remarks` are figures that were late, or untrue where the link told of trouble or
    the box was there; `oldest_figure` stood as fresh that many seconds after the box had seen it, for
    how long the link had been up, and the last fault.
    """

    plan: Plan
    happened: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    lines: int = 0
    losses: int = 0
    slowest_return_s: float = 0.0
    oldest_figure: tuple[float, str] = (0.0, "")
    seconds: float = 0.0

    def told(self) -> str:
        said = {key: value for key, value in vars(self).items() if key != "plan"}
        return json.dumps({"plan": vars(self.plan), **said}, indent=1)


def run(plan: Plan, tell: Callable[[str], None] = lambda line: None) -> Outcome:
    """The whole run, boxes included."""
    outcome = Outcome(plan)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gptoss-faults-") as name, ExitStack() as stack:
        boxes = {
            f"box{n}": stack.enter_context(light_box(delays=n % 2 == 1)) for n in range(plan.boxes)
        }
        asyncio.run(_all(outcome, boxes, Path(name), tell))
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


async def _all(
    outcome: Outcome, lights: dict[str, LightBox], home: Path, tell: Callable[[str], None]
) -> None:
    config = config_of(lights, home)
    before = faults.files_of_this_process()
    async with as_app(config, home, *lights) as boxes:
        await asyncio.gather(
            *(
                _trouble(outcome, number, (light, box), tell)
                for number, (light, box) in enumerate(zip(lights.values(), boxes, strict=True))
            )
        )
        tell("the faults are over")
        await asyncio.gather(*(_back(box, outcome) for box in boxes))
        for light, box in zip(lights.values(), boxes, strict=True):
            await _whole(light, box, outcome)
    for light in lights.values():
        await _nothing_left(light, outcome)
    await _nothing_here(before, outcome)


async def _trouble(
    outcome: Outcome, number: int, pair: tuple[LightBox, AppBox], tell: Callable[[str], None]
) -> None:
    """This box's share of the faults, one after the other, recovered from or not."""
    plan, (light, box) = outcome.plan, pair
    chance = random.Random(f"{plan.seed}/{number}")
    kinds = [*FAULTS, *([DELAY] if light.relay else [])]
    for _ in range(plan.faults // plan.boxes + (number < plan.faults % plan.boxes)):
        fault = chance.choice(kinds)
        is_long = fault.gone and chance.random() < plan.long
        held = chance.uniform(*LONG_S) if is_long else chance.uniform(0.3, plan.longest_s)
        pause = chance.uniform(0.3, 6.0)
        tell(f"{box.name}: {fault.name} for {held:.1f} s")
        outcome.happened[fault.name] += 1
        box.seen.fault = fault.name
        await asyncio.to_thread(fault.begin, light)
        box.seen.gone_since = asyncio.get_running_loop().time() if fault.gone else None
        await asyncio.sleep(held)
        box.seen.gone_since = None
        await asyncio.to_thread(fault.end, light)
        await asyncio.sleep(pause)


async def _back(box: AppBox, outcome: Outcome) -> None:
    if not outcome.plan.patient:
        box.keeper.hurry()
    try:
        took = await box.flows(UP_AGAIN_S)
    except AssertionError as error:
        outcome.wrong.append(f"{error} ({'; '.join(error.__notes__)})")
    else:
        outcome.slowest_return_s = round(max(outcome.slowest_return_s, took), 1)


async def _whole(light: LightBox, box: AppBox, outcome: Outcome) -> None:
    """Its log came exactly once, and nothing old was shown as new."""
    written = await asyncio.to_thread(light.fall_silent)
    seen = box.seen
    try:
        await eventually("all lines", lambda: seen.lines.expected >= written, LINES_S)
    except AssertionError:
        outcome.wrong.append(f"{box.name}: {seen.lines.expected} of {written} lines came")
    outcome.wrong += [f"{box.name}: {what}" for what in (*seen.lines.wrong, *seen.wrong)]
    outcome.remarks += [f"{box.name}: {what}" for what in seen.remarks]
    outcome.lines += written
    outcome.losses += seen.losses
    outcome.oldest_figure = max(outcome.oldest_figure, seen.oldest)


async def _nothing_left(light: LightBox, outcome: Outcome) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LEFT_S
    while left := await asyncio.to_thread(light.left):
        if loop.time() > deadline:
            outcome.wrong.append(f"{light.box.address}: left {left}")
            return
        await asyncio.sleep(0.5)


async def _nothing_here(before: set[str], outcome: Outcome) -> None:
    def as_before() -> bool:
        return len(asyncio.all_tasks()) == 1 and not faults.files_of_this_process() - before

    try:
        await eventually("as before", as_before, LEFT_S)
    except AssertionError:
        names = [task.get_name() for task in asyncio.all_tasks()]
        files = faults.files_of_this_process() - before
        outcome.wrong.append(f"still here: tasks {names}, files {sorted(files)}")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real.fault_run", description=__doc__)
    parser.add_argument("--boxes", type=int, default=Plan.boxes)
    parser.add_argument("--faults", type=int, default=Plan.faults, help="over all boxes")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--long", type=float, default=Plan.long, help="share of the long outages")
    parser.add_argument("--longest", type=float, default=Plan.longest_s, help="of the others, in s")
    parser.add_argument("--hurry", action="store_true", help="ask for each box at the end")
    parser.add_argument("--quiet", action="store_true", help="only the outcome")
    arguments = parser.parse_args(words)
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 2
    began = time.monotonic()

    def tell(line: str) -> None:
        if not arguments.quiet:
            print(f"{time.monotonic() - began:6.1f} {line}", file=sys.stderr)

    plan = Plan(
        boxes=arguments.boxes,
        faults=arguments.faults,
        seed=arguments.seed,
        long=arguments.long,
        longest_s=arguments.longest,
        patient=not arguments.hurry,
    )
    outcome = run(plan, tell)
    print(outcome.told())
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
