"""What every command does first: a hub, a fleet, one connected box."""

from __future__ import annotations

import logging
import shlex
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from gptoss_tui.cli.measuring import Measuring
from gptoss_tui.cli.prompts import TerminalPrompter
from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.host import LinkState
from gptoss_tui.domain.instance import Instance, Notice
from gptoss_tui.errors import NotFoundError, StateError, UnknownHostKeyError, UsageError
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.state.debug_log import NAME
from gptoss_tui.state.paths import paths


def new_hub() -> Hub:
    """The point that all facts pass; the debug log keeps what happened to boxes and servers."""
    hub = Hub(lambda: datetime.now(UTC))
    hub.tap(_log)
    hub.tap(Measuring())
    return hub


def _log(fact: AnyFact) -> None:
    if isinstance(fact.body, LinkState | Notice):
        logging.getLogger(NAME).info("%s %s: %s", fact.box, fact.instance or "", fact.body)


def fleet_options(arguments: Namespace) -> FleetOptions:
    config = arguments.ssh_config
    if config is not None and not Path(config).expanduser().is_file():
        raise StateError(f"The ssh config {config} is not there.", "Check the path behind -F.")
    return FleetOptions(
        config_file=Path(config).expanduser() if config else None,
        identity=arguments.identity,
        accept_new=arguments.accept_new,
        read_only=arguments.read_only,
        password=arguments.password,
        passphrase=arguments.passphrase,
    )


def same_way(arguments: Namespace, command: str, *words: str) -> str:
    """A line of ours to type next, with the ssh config and the key that this one was given."""
    config, identity = arguments.ssh_config, arguments.identity
    way = (*(("-F", str(config)) if config else ()), *(("-i", identity) if identity else ()))
    return shlex.join(["gptoss-tui", command, *way, *words])


@asynccontextmanager
async def connected(arguments: Namespace, name: str) -> AsyncIterator[Box]:
    """The box of that name, asking what only a person can answer when somebody is there."""
    async with connected_fleet(arguments, name) as (_, box):
        yield box


@asynccontextmanager
async def connected_fleet(arguments: Namespace, name: str) -> AsyncIterator[tuple[Fleet, Box]]:
    """The same with the fleet that holds the connection."""
    async with Fleet(new_hub(), paths(), fleet_options(arguments)) as fleet:
        fleet.prompter = TerminalPrompter()
        yield fleet, await _entered(fleet, name, arguments.json)


async def _entered(fleet: Fleet, name: str, json: bool) -> Box:
    """Each jump host and the box may have a key of its own to ask about."""
    while True:
        try:
            return await fleet.connect(name)
        except UnknownHostKeyError as error:
            if json or not confirm(f"{error.message}\nAccept this key?"):
                raise
            fleet.accept_host_key(error)


def confirm(question: str) -> bool:
    """A yes on the terminal; False where nobody is there to give one."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def agreed(arguments: Namespace, question: str, unasked: str) -> bool:
    """A yes by `--yes` or on the terminal. Raises `UsageError` where nobody is there to ask.

    `unasked` is what `--yes` does, as in "to launch without a question".
    """
    if arguments.yes:
        return True
    if not sys.stdin.isatty() or arguments.json:
        raise UsageError("Nobody is there to ask.", f"Say --yes {unasked}.")
    return confirm(question)


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
