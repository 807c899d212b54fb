"""The planner: what the engine will say after the launch, said before it. Pure functions.

Sizes are GiB (1024³ bytes) where a name ends in `_gib`, bytes where it ends in `_bytes`.
"""

from gptoss_tui.domain.plan.models import MODELS, Model, model_named
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.types import (
    DEFAULT_VLLM_VERSION,
    KvPlan,
    MemoryPlan,
    Plan,
    PlanGpu,
    PlanInputError,
    PlanRequest,
    Verdict,
)

__all__ = [
    "DEFAULT_VLLM_VERSION",
    "MODELS",
    "KvPlan",
    "MemoryPlan",
    "Model",
    "Plan",
    "PlanGpu",
    "PlanInputError",
    "PlanRequest",
    "Verdict",
    "model_named",
    "plan",
    "recommend",
]
