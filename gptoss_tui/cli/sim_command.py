"""`sim`: simulated boxes for any SSH client, until interrupted."""

from __future__ import annotations

import asyncio
import signal
from argparse import Namespace

from gptoss_tui.cli.output import Output
from gptoss_tui.domain.near import did_you_mean
from gptoss_tui.errors import UsageError
from gptoss_tui.sim.faults import FAULTS
from gptoss_tui.sim.run import SimFleet


def simulated(arguments: Namespace, *, warm: bool = False) -> SimFleet:
    """The boxes that the words of `sim` and `demo` ask for. Raises `UsageError`."""
    if not 1 <= arguments.boxes <= 256:
        raise UsageError(f"{arguments.boxes} boxes cannot be simulated.", "Choose 1 to 256.")
    for name in arguments.faults:
        if name not in FAULTS:
            raise UsageError(
                f"There is no fault {name!r}.",
                f"{did_you_mean(name, FAULTS)}`gptoss-tui sim --list-faults` says what there is.",
            )
    return SimFleet(
        arguments.boxes,
        seed=arguments.seed,
        speed=arguments.speed,
        traffic=arguments.traffic,
        faults=frozenset(arguments.faults),
        preempt_after_s=arguments.preempt_after,
        warm=warm,
    )


async def sim(arguments: Namespace, output: Output) -> int:
    """Prints where the boxes are, then serves until SIGINT or SIGTERM; or lists what can be broken."""
    if arguments.list_faults:
        output.document(FAULTS)
        for name, what in FAULTS.items():
            output.line(f"{name:16} {what}")
        return 0
    fleet = simulated(arguments, warm=arguments.warm)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    async with fleet:
        output.document(fleet.describe())
        output.line(f"ssh config: {fleet.ssh_config}")
        for box in fleet.boxes:
            cards = ", ".join(card.name for card in box.world.profile.cards)
            output.line(f"  {box.name}  127.0.0.1:{box.port}  {cards}")
        output.line(f"try: ssh -F {fleet.ssh_config} sim-1 nvidia-smi")
        output.line(f"     gptoss-tui check -F {fleet.ssh_config} sim-1")
        output.line("ctrl+c ends them")
        await ended.wait()
    return 0
