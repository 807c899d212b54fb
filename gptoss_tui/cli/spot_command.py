"""`spot`: waits for the notice that a box is taken back, and drains it if that was asked for."""

from __future__ import annotations

from argparse import Namespace
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.session import connected_fleet, telling
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.facts import AnyFact, Fact
from gptoss_tui.domain.instance import Notice
from gptoss_tui.domain.spot.notice import SpotNotice, drain_time
from gptoss_tui.errors import NotFoundError
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.preemption import drain_all


async def spot(arguments: Namespace, output: Output) -> int:
    """Ends with 0 once the notice came (and the servers are drained); with 7 where none can come."""
    async with connected_fleet(arguments, arguments.box) as (fleet, box):
        output.line(f"Waiting for the notice that {box.name} is taken back; ctrl+c ends it.")
        fact = await _notice(box, output)
        if fact is None:
            raise NotFoundError(
                f"{box.name} is no spot box of AWS, Google Cloud or Azure.",
                "Other providers give no notice on the box.",
            )
        if arguments.drain:
            with telling(fleet.hub, output, _drains):
                names = await drain_all(lambda: fleet.connect(arguments.box), lambda: _left(fact))
            output.document({"box": box.name, "drained": names})
            output.line(f"Drained: {', '.join(names) or 'nothing, for no server of ours runs'}.")
    return 0


async def _notice(box: Box, output: Output) -> Fact[SpotNotice] | None:
    """What comes is told; the first notice that ends the box is the result."""
    stream = cast("Any", box.watch_spot())
    async with aclosing(stream) as facts:
        async for fact in facts:
            output.document(fact)
            output.line(fact.body.text(fact.body.left_s))
            if fact.body.ends:
                return cast("Fact[SpotNotice]", fact)
    return None


def _left(fact: Fact[SpotNotice]) -> float:
    return drain_time(fact, datetime.now(UTC))


def _drains(fact: AnyFact) -> str | None:
    """How far the drains are, and what each has come to."""
    if isinstance(fact.body, Draining):
        return f"{fact.instance}: {fact.body.text}"
    return fact.body.text if isinstance(fact.body, Notice) else None
