"""`stop` and `restart`: the end of a server, its requests drained or cut."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any, cast

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.session import confirm, connected_fleet, pick, same_way, telling
from gptoss_tui.domain.chat import ChatDelta, ChatMessage, ChatRequest
from gptoss_tui.domain.draining import Draining, busy, check_ours, cut_words, left_alone, stop_plan
from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.secret import Secret
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import EngineError, LaunchError, NotFoundError
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.draining import COUNT_S

READY_S = 3600
LOOK_S = 1.0
ASKS = 5  # as often as a launch asks its model
ONE_TOKEN = ChatRequest(
    messages=(ChatMessage(role="user", content="hello"),), effort="low", max_tokens=1
)


async def stop(arguments: Namespace, output: Output) -> int:
    """Drain, stop and remove one of our servers; with --now its requests are cut."""
    async with connected_fleet(arguments, arguments.box) as (fleet, box):
        instance = await pick(box, arguments.name, managed=True)
        drain_s = 0 if arguments.now else arguments.drain
        question = f"Stop {instance.name} on {box.name}?"
        if instance.being_launched:
            question = f"{instance.name} on {box.name} is still being launched. Cancel its launch?"
        else:
            check_ours(instance)
            await _warn(box, instance, drain_s, output, asked=_asks(arguments))
        if not _agreed(arguments, question):
            return 130
        with _followed(fleet.hub, box, instance, arguments, output):
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
        with _followed(fleet.hub, box, instance, arguments, output):
            fact = await box.restart(instance.name, drain_s=drain_s)
        output.document(fact)
        output.line(fact.body.text)
        if arguments.wait:
            key = Secret.of(os.environ.get("GPTOSS_TUI_API_KEY"))
            output.line(await _until_ready(box, instance.name, key))
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
    hub: Hub, box: Box, instance: Instance, arguments: Namespace, output: Output
) -> Iterator[None]:
    """Meanwhile it is told how far the drain is; by ctrl+c, what becomes of the server."""
    last: Draining | None = None
    name = instance.name

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
        if instance.being_launched:
            left = f"the launch of {name} may go on."
        else:
            left = left_alone(name, last, restart=arguments.command == "restart")
        output.beside().line(f"Interrupted: {left} See: {see}")
        raise


async def _until_ready(box: Box, name: str, key: Secret | None) -> str:
    """A sentence once its model has answered: a server that listens may have none that does.

    Raises `LaunchError` when the server ends instead, does not answer, or is not up in an hour.
    """
    deadline = asyncio.get_running_loop().time() + READY_S
    tries = 0
    while asyncio.get_running_loop().time() < deadline:
        listed = (await box.instances()).body.instances
        now = next((one for one in listed if one.name == name), None)
        if now is None or now.has_ended:
            break
        if now.state in ("ready", "unhealthy"):
            try:
                await _one_token(box, name, key)
            except EngineError as error:
                if error.status == 401 and key is None:
                    return f"{name} is up; without its API key its model was not asked"
                tries += 1
                if tries == ASKS:
                    raise _silent(name, error) from error
            else:
                return f"ready: {name} serves again"
        await asyncio.sleep(LOOK_S)
    raise LaunchError(
        f"{name} did not become ready again.", "Its log says why: gptoss-tui doctor BOX NAME"
    )


async def _one_token(box: Box, name: str, key: Secret | None) -> None:
    """Ask its model, which notes the answer for all who look later. Raises `EngineError`."""
    stream = cast("Any", box.chat(name, ONE_TOKEN, key))
    async with aclosing(stream) as facts:
        async for fact in facts:
            if isinstance(fact.body, ChatDelta) or fact.body.completion_tokens:
                return
    raise EngineError("Its answer was empty.", "See its log.")


def _silent(name: str, error: EngineError) -> LaunchError:
    return LaunchError(
        f"{name} is up again, but its model does not answer. {error.message}",
        "Its log says why: gptoss-tui doctor BOX NAME",
    )
