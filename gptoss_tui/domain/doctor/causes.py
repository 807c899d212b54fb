"""Every cause with its stable identifier: what it means, and what to do. docs/doctor.md lists them."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.doctor.causes_box import BOX_CAUSES
from gptoss_tui.domain.doctor.causes_engine import ENGINE_CAUSES


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """`quotes`: where there is no log beside it, the words themselves say more (a name, a port)."""

    code: str
    explanation: str
    fix: str
    quotes: bool = False


CAUSES: dict[str, Cause] = {
    code: Cause(code=code, explanation=explanation.rstrip("*"), fix=fix, quotes="*" in explanation)
    for code, explanation, fix in (*ENGINE_CAUSES, *BOX_CAUSES)
}
