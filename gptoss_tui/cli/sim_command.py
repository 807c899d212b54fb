"""`sim`: simulated boxes for any SSH client, until interrupted."""

from __future__ import annotations

import asyncio
import signal
from argparse import Namespace

from gptoss_tui.cli.output import Output
from gptoss_tui.errors import UsageError
from gptoss_tui.sim.profile import FAULTS
from gptoss_tui.sim.run import SimFleet


async def sim(arguments: Namespace, output: Output) -> int:
    """Prints where the boxes are, then serves until SIGINT or SIGTERM."""
    if not 1 <= arguments.boxes <= 256:
        raise UsageError(f"{arguments.boxes} boxes cannot be simulated.", "Choose 1 to 256.")
    unknown = set(arguments.faults) - set(FAULTS)
    if unknown:
        raise UsageError(
            f"The fault {min(unknown)!r} is not known.", f"Choose of: {', '.join(FAULTS)}."
        )
    fleet = SimFleet(
        arguments.boxes,
        seed=arguments.seed,
        speed=arguments.speed,
        traffic=arguments.traffic or 0.0,
        faults=frozenset(arguments.faults),
        preempt_after_s=arguments.preempt_after,
        warm=arguments.warm,
    )
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
