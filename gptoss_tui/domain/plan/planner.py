"""`plan`: one request, one verdict, by the engine's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from gptoss_tui.domain.plan.ollama import plan_ollama
from gptoss_tui.domain.plan.sglang import plan_sglang
from gptoss_tui.domain.plan.types import Plan, PlanRequest
from gptoss_tui.domain.plan.vllm import plan_vllm
from gptoss_tui.domain.plan.wrong import PlanInputError

_ENGINES: dict[str, Callable[[PlanRequest], Plan]] = {
    "vllm": plan_vllm,
    "sglang": plan_sglang,
    "ollama": plan_ollama,
}


def plan(request: PlanRequest) -> Plan:
    """What the engine will say for `request`. Raises `PlanInputError` for nonsense."""
    if request.engine not in _ENGINES:
        raise PlanInputError(
            f"The engine {request.engine!r} is not known.", f"Choose {', '.join(_ENGINES)}."
        )
    return _ENGINES[request.engine](request)
