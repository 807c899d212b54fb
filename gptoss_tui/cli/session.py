"""What every command does first: a hub, a fleet, one connected box."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.instance import Instance
from gptoss_tui.errors import NotFoundError, StateError, UnknownHostKeyError
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.state.paths import paths


def new_hub() -> Hub:
    return Hub(lambda: datetime.now(UTC))


def fleet_options(arguments: Namespace) -> FleetOptions:
    config = arguments.ssh_config
    if config is not None and not Path(config).expanduser().is_file():
        raise StateError(f"The ssh config {config} is not there.", "Check the path behind -F.")
    return FleetOptions(
        config_file=Path(config).expanduser() if config else None,
        identity=arguments.identity,
        accept_new=arguments.accept_new,
        read_only=arguments.read_only,
    )


@asynccontextmanager
async def connected(arguments: Namespace, name: str) -> AsyncIterator[Box]:
    """The box of that name, asking about an unknown host key when somebody is there to answer."""
    async with Fleet(new_hub(), paths(), fleet_options(arguments)) as fleet:
        try:
            box = await fleet.connect(name)
        except UnknownHostKeyError as error:
            if arguments.json or not confirm(f"{error.message}\nAccept this key?"):
                raise
            fleet.accept_host_key(error)
            box = await fleet.connect(name)
        yield box


def confirm(question: str) -> bool:
    """A yes on the terminal; False where nobody is there to give one."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def pick(box: Box, name: str | None, *, managed: bool = False) -> Instance:
    """The named server, or the only one there is. Raises `NotFoundError` with the names."""
    listed = (await box.instances()).body.instances
    fitting = [instance for instance in listed if instance.managed or not managed]
    if name is not None:
        for instance in listed:
            if instance.name == name:
                return instance
    elif len(fitting) == 1:
        return fitting[0]
    names = ", ".join(instance.name for instance in fitting)
    if name is None and fitting:
        raise NotFoundError(f"{box.name} has several servers: {names}.", "Name one of them.")
    wanted = name or "server"
    raise NotFoundError(
        f"There is no {wanted} on {box.name}" + (f" (there: {names})." if names else "."),
        "`gptoss-tui status BOX` lists what runs; `gptoss-tui launch BOX` starts one.",
    )
