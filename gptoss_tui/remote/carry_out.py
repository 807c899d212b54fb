"""A repair from its begin to the look behind it, for the app and the commands: over the seam alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from gptoss_tui.domain.facts import Fact
from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.domain.repair.result import result_of
from gptoss_tui.domain.repair.types import Repair, RepairEnded, RepairLine, RepairResult
from gptoss_tui.remote.fleet_port import FleetPort


async def carry_out(
    fleet: FleetPort, name: str, repair: Repair, prompter: Prompter | None = None
) -> AsyncGenerator[Fact[RepairLine | RepairEnded | RepairResult], None]:
    """The whole of a repair: the script, a new connection where it takes one, then a look.

    The last fact says whether what was found is gone.
    """
    box = await fleet.connect(name)
    status: int | None = None
    stream = cast("Any", box.repair(repair, prompter or fleet.prompter))
    async with aclosing(stream) as facts:
        async for fact in facts:
            if isinstance(fact.body, RepairEnded):
                status = fact.body.status
            yield fact
    if repair.reconnects and status == 0:
        await fleet.disconnect(name)
        box = await fleet.connect(name)
    report = (await box.look()).body
    yield fleet.hub.publish(result_of(repair, status, report), box=name)
