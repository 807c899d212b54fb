"""`stop` and `restart`: the end of a server, its requests drained or cut."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.session import confirm, connected_fleet, pick, same_way, telling
from gptoss_tui.domain.draining import Draining, busy, check_ours, cut_words, left_alone, stop_plan
from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import EngineError, LaunchError, NotFoundError
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.draining import COUNT_S

READY_S = 3600
LOOK_S = 1.0


async def stop(arguments: Namespace, output: Output) -> int:
    """Drain, stop and remove one of our servers; with --now its requests are cut."""
    async with connected_fleet(arguments, arguments.box) as (fleet, box):
        instance = await pick(box, arguments.name, managed=True)
        check_ours(instance)
        drain_s = 0 if arguments.now else arguments.drain
        await _warn(box, instance, drain_s, output, asked=_asks(arguments))
        if not _agreed(arguments, f"Stop {instance.name} on {box.name}?"):
            return 130
        with _followed(fleet.hub, box, instance.name, arguments, output):
            fact = await box.stop(instance.name, drain_s=drain_s, grace_s=arguments.grace)
    output.document(fact)
    output.line(fact.body.text)
    return 0


async def restart(arguments: Namespace, output: Output) -> int:
    """Drain one of our servers and start its container again; with --wait until it serves."""
    async with connected_fleet(arguments, arguments.box) as (fleet, box):
        instance = await pick(box, arguments.name, managed=True)
        check_ours(instance)
        drain_s = 0 if arguments.now else arguments.drain
        await _warn(box, instance, drain_s, output, asked=_asks(arguments))
        if not _agreed(arguments, f"Restart {instance.name} on {box.name}?"):
            return 130
        with _followed(fleet.hub, box, instance.name, arguments, output):
            fact = await box.restart(instance.name, drain_s=drain_s)
        output.document(fact)
        output.line(fact.body.text)
        if arguments.wait:
            await _until_ready(box, instance.name)
            output.line(f"ready: {instance.name} serves again")
    return 0


async def _warn(
    box: Box, instance: Instance, drain_s: int | None, output: Output, *, asked: bool
) -> None:
    """What a load balancer has to do with it, or how many requests are cut.

    `asked` is whether a person still has to agree: then nothing at work is worth a word too.
    """
    if drain_s == 0:
        figures = await _figures(box, instance)
        count = busy(figures)
        words = cut_words(figures, asked=asked)
        if count != 0 or asked:
            output.document({"warning": words, "requests": count})
            output.line(words)
    elif warning := stop_plan(instance, drain_s).warning:
        output.line(warning)


async def _figures(box: Box, instance: Instance) -> EngineSnapshot | None:
    try:
        async with asyncio.timeout(COUNT_S):
            return (await box.engine(instance.name)).body
    except (EngineError, NotFoundError, TimeoutError):
        return None


def _asks(arguments: Namespace) -> bool:
    return not (arguments.yes or arguments.json) and sys.stdin.isatty()


def _agreed(arguments: Namespace, question: str) -> bool:
    return not _asks(arguments) or confirm(question)


@contextmanager
def _followed(
    hub: Hub, box: Box, name: str, arguments: Namespace, output: Output
) -> Iterator[None]:
    """Meanwhile it is told how far the drain is; by ctrl+c, what becomes of the server."""
    last: Draining | None = None

    def words(fact: AnyFact) -> str | None:
        nonlocal last
        if not isinstance(fact.body, Draining) or fact.instance != name:
            return None
        last = fact.body
        return last.text

    try:
        with telling(hub, output, words):
            yield
    except asyncio.CancelledError:
        see = same_way(arguments, "status", box.name)
        left = left_alone(name, last, restart=arguments.command == "restart")
        output.beside().line(f"Interrupted: {left} See: {see}")
        raise


async def _until_ready(box: Box, name: str) -> None:
    """Raises `LaunchError` when the server ends instead, or is not ready in an hour."""
    deadline = asyncio.get_running_loop().time() + READY_S
    while asyncio.get_running_loop().time() < deadline:
        listed = (await box.instances()).body.instances
        now = next((one for one in listed if one.name == name), None)
        if now is not None and now.state == "ready":
            return
        if now is not None and now.state == "unhealthy":
            raise LaunchError(
                f"{name} is up again, but its model was never seen to answer.",
                "Ask it: gptoss-tui chat BOX NAME -p hello",
            )
        if now is None or now.has_ended:
            break
        await asyncio.sleep(LOOK_S)
    raise LaunchError(
        f"{name} did not become ready again.", "Its log says why: gptoss-tui doctor BOX NAME"
    )
