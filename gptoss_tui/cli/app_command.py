"""The app: on the user's own boxes, or (`demo`) on simulated ones with a throw-away home."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import tempfile
from argparse import Namespace
from typing import Any

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.session import fleet_options, new_hub, same_way
from gptoss_tui.errors import UsageError
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.state.paths import paths


async def open_app(arguments: Namespace, output: Output) -> int:
    """Open the app on this user's boxes."""
    return await _run(arguments, fleet_options(arguments), output, demo=False)


async def demo(arguments: Namespace, output: Output) -> int:
    """Simulated boxes over real SSH, in a home of their own that is removed at the end."""
    from gptoss_tui.cli.sim_command import simulated

    sim = simulated(arguments)
    with tempfile.TemporaryDirectory(prefix="gptoss-tui-demo-") as home:
        os.environ["GPTOSS_TUI_HOME"] = home
        async with sim:
            options = FleetOptions(
                config_file=sim.ssh_config,
                source="demo",
                with_local=False,
                read_only=arguments.read_only,
            )
            return await _run(arguments, options, output, demo=True)


async def _run(arguments: Namespace, options: FleetOptions, output: Output, *, demo: bool) -> int:
    if not sys.stdout.isatty():
        raise UsageError(
            "The app needs a terminal.", "Scripts use the commands: gptoss-tui --help."
        )
    gc.disable()  # until the first picture is there: the app enables it then
    from gptoss_tui.app.app import GptossApp

    async with Fleet(new_hub(), paths(), options) as fleet:
        app = GptossApp(fleet, demo=demo, drain_on_preemption=arguments.drain_on_preemption)
        loop = asyncio.get_running_loop()
        # A hang-up means "go on without me": what was launched goes on on the box.
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _leave, app)
        await app.run_async()
        for box in app.leaving.going_on:
            line = same_way(arguments, "status", box)
            output.line(f"The launch on {box} goes on: {line}")
        return app.return_code or 0


def _leave(app: Any) -> None:
    app.exit()
