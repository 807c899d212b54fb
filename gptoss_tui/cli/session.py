"""What every command does first: a hub, a fleet, one connected box."""

from __future__ import annotations

import logging
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gptoss_tui.cli.measuring import Measuring
from gptoss_tui.cli.output import Output
from gptoss_tui.cli.prompts import TerminalPrompter
from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.host import LinkState
from gptoss_tui.domain.instance import Instance, Notice
from gptoss_tui.errors import (
    NotFoundError,
    StateError,
    UnknownHostKeyError,
    UnknownNameError,
    UsageError,
)
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.state.debug_log import NAME
from gptoss_tui.state.paths import paths

# What sentences below the commands name: they know neither the box's name nor the way to it.
_LINE = re.compile(r"gptoss-tui ([a-z-]+) BOX( NAME)?")


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


def filled(arguments: Namespace, text: str) -> str:
    """`text` with each `gptoss-tui COMMAND BOX` in it as a line that can be typed as it stands.

    NAME is left out where this command names no server: it is needed only where there are several.
    """
    box = getattr(arguments, "box", None) or getattr(arguments, "box_option", None)
    if box is None:
        return text
    name = getattr(arguments, "name", None)

    def line(found: re.Match[str]) -> str:
        words = (box, name) if found[2] and name else (box,)
        return same_way(arguments, found[1], *words)

    return _LINE.sub(line, text)


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
        except UnknownNameError as error:
            from gptoss_tui.domain.near import did_you_mean

            meant = did_you_mean(name, (entry.name for entry in fleet.candidates()))
            raise UnknownNameError(error.message, f"{meant}{error.next_step}") from error


@contextmanager
def telling(hub: Hub, output: Output, words: Callable[[AnyFact], str | None]) -> Iterator[None]:
    """Meanwhile each fact of which `words` has something to say is told."""

    def tell(fact: AnyFact) -> None:
        if text := words(fact):
            output.document(fact)
            output.line(text)

    end = hub.tap(tell)
    try:
        yield
    finally:
        end()


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
    raise not_there(box.name, name, fitting)


def not_there(box: str, name: str | None, listed: Iterable[Instance]) -> NotFoundError:
    """That a server is not among those of the box, or that none of several was named."""
    from gptoss_tui.domain.near import did_you_mean

    names = [instance.name for instance in listed]
    if name is None and names:
        return NotFoundError(f"{box} has several servers: {', '.join(names)}.", "Name one of them.")
    return NotFoundError(
        f"There is no server{f' {name}' if name else ''} on {box}"
        + (f" (there: {', '.join(names)})." if names else "."),
        f"{did_you_mean(name or '', names)}"
        "`gptoss-tui status BOX` lists what runs; `gptoss-tui launch BOX` starts one.",
    )
