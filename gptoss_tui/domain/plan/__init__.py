"""The planner: what the engine will say after the launch, said before it. Pure functions.

Sizes are GiB (1024³ bytes) where a name ends in `_gib`, bytes where it ends in `_bytes`.
"""

from gptoss_tui.domain.plan.advice import alternatives
from gptoss_tui.domain.plan.complete import Money, complete
from gptoss_tui.domain.plan.device import reserved_bytes
from gptoss_tui.domain.plan.models import MODELS, Model, model_named
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.predict import prediction
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.search import Arrangement, search
from gptoss_tui.domain.plan.types import (
    DEFAULT_VERSIONS,
    DEFAULT_VLLM_VERSION,
    Alternative,
    KvPlan,
    MemoryPlan,
    Plan,
    PlanGpu,
    PlanRequest,
    Verdict,
)
from gptoss_tui.domain.plan.wrong import PlanInputError

__all__ = [
    "DEFAULT_VERSIONS",
    "DEFAULT_VLLM_VERSION",
    "MODELS",
    "Alternative",
    "Arrangement",
    "KvPlan",
    "MemoryPlan",
    "Model",
    "Money",
    "Plan",
    "PlanGpu",
    "PlanInputError",
    "PlanRequest",
    "Verdict",
    "alternatives",
    "complete",
    "model_named",
    "plan",
    "prediction",
    "recommend",
    "reserved_bytes",
    "search",
]
