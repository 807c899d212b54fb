"""Whether a repair has done what it was for: the look at the box decides."""

from __future__ import annotations

from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.repair.types import Repair, RepairResult


def result_of(repair: Repair, status: int | None, report: BoxReport) -> RepairResult:
    """What `report`, made after the repair, says of it."""
    remaining = tuple(each for each in report.findings if each.repair == repair.name)
    fixed = status == 0 and not remaining
    if status is None:
        text = "The repair was ended on the box before it was done."
    elif status != 0:
        text = f"The repair failed (exit status {status}); its last lines say why."
    elif remaining:
        text = f"The script went well, but the box still says: {remaining[0].what}"
    else:
        text = f"{repair.title}: done, and the box was looked at again."
    if status != 0 and not remaining:
        text += " The box does not ask for it any more."
    return RepairResult(
        repair=repair.name, status=status, fixed=fixed, text=text, remaining=remaining
    )
