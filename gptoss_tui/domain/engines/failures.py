"""The log lines by which a launch says that it has failed, from the doctor's table."""

from __future__ import annotations

from gptoss_tui.domain.doctor.causes import CAUSES
from gptoss_tui.domain.doctor.lines import take_apart
from gptoss_tui.domain.doctor.table import fatal_row
from gptoss_tui.domain.engines.base import PhaseMark


def fatal_mark(line: str) -> PhaseMark | None:
    """The failure that a line tells, or None. What only follows from another failure is none."""
    said = take_apart(line)
    if said.talk or said.level in ("info", "debug"):
        return None
    row = fatal_row(said.message)
    if row is None or (said.level == "warning" and not row.warned):
        return None
    cause = CAUSES[row.cause]
    return PhaseMark(
        fatal=cause.explanation, next_step=cause.fix, detail=said.message.strip()[:400]
    )
