"""`plan`: one request, one verdict, by the engine's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gptoss_tui.domain.near import did_you_mean
from gptoss_tui.domain.plan.ollama import plan_ollama
from gptoss_tui.domain.plan.sglang import plan_sglang
from gptoss_tui.domain.plan.types import Plan, PlanRequest
from gptoss_tui.domain.plan.versions import beyond
from gptoss_tui.domain.plan.vllm import plan_vllm
from gptoss_tui.domain.plan.wrong import PlanInputError

_ENGINES: dict[str, Callable[[PlanRequest], Plan]] = {
    "vllm": plan_vllm,
    "sglang": plan_sglang,
    "ollama": plan_ollama,
}


def check_engine(name: str) -> None:
    """Raises `PlanInputError` for an engine that is none of ours."""
    if name not in _ENGINES:
        raise PlanInputError(
            f"The engine {name!r} is not known.",
            f"{did_you_mean(name, _ENGINES)}Choose {', '.join(_ENGINES)}.",
        )


def plan(request: PlanRequest) -> Plan:
    """What the engine will say for `request`. Raises `PlanInputError` for nonsense."""
    check_engine(request.engine)
    made = _ENGINES[request.engine](request)
    first, given = [], len(request.gpus)
    if unknown := beyond(request.engine_version, request.engine):
        first.append(unknown)
    if made.gpus_used != given:
        first.append(
            f"Of the {given} GPUs {made.gpus_used} are used: tensor parallel takes 1, 2, 4 or 8."
        )
    return msgspec.structs.replace(made, warnings=(*first, *made.warnings)) if first else made
