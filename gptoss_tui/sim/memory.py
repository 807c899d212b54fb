"""How the simulated vLLM shares out a GPU's memory: the product's own arithmetic, measured anew.

The parts that the planner estimates come out a little different here, as they do on a real card;
the KV cache that follows from them is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

from gptoss_tui.domain.engines.flags import human_int, human_int_or_auto
from gptoss_tui.domain.plan import memory, versions
from gptoss_tui.domain.plan.kv import KvSettings, kv_plan
from gptoss_tui.domain.plan.memory import Load
from gptoss_tui.domain.plan.models import GIB, Model, model_named
from gptoss_tui.domain.plan.types import KvPlan, PlanGpu
from gptoss_tui.domain.plan.weights import moe_backend, weights_gib

# By how much the measured activation differs from the planner's estimate.
_MEASURED = 1.2


@dataclass(frozen=True)
class Shares:
    """GiB on each GPU, and the KV cache that they leave; `graphs` is what these really take."""

    weights: float
    activation: float
    graphs: float
    kv_cache: float
    kv: KvPlan
    context: int

    @property
    def serves(self) -> bool:
        return self.kv_cache > 0 and self.kv.max_concurrency >= 1


def shares(
    size: str, card_gib: float, capability: str, options: dict[str, str], version: str
) -> Shares:
    """What is left after start with these engine arguments (`--max-model-len` and so on).

    `card_gib` is what CUDA sees of the card.
    """
    model: Model = model_named(size)
    release = versions.parse(version)
    parallel = int(options.get("--tensor-parallel-size", 1))
    batched = human_int(options.get("--max-num-batched-tokens", "8192"))
    context = human_int_or_auto(options.get("--max-model-len", "auto"))
    context = model.max_context if context < 0 else context
    gpu = PlanGpu(name="simulated", memory_total_bytes=1, compute_capability=capability)
    load = Load(
        model=model,
        version=release,
        backend=moe_backend(gpu, release),
        tensor_parallel=parallel,
        seqs=int(options.get("--max-num-seqs", 1024)),
        batched=batched,
        eager="--enforce-eager" in options,
    )
    budget = card_gib * float(options.get("--gpu-memory-utilization", 0.92))
    weights = weights_gib(model, parallel, load.backend, release)
    activation = memory.activation_gib(load) * _MEASURED
    graphs = memory.counted_graphs_gib(load)
    left = budget - weights - activation - memory.non_torch_gib(load) - graphs
    pool = KvSettings(
        model=model,
        version=release,
        context=context,
        batched_tokens=batched,
        tensor_parallel=parallel,
        kv_cache_dtype=options.get("--kv-cache-dtype"),
        hybrid="--disable-hybrid-kv-cache-manager" not in options,
    )
    kv = kv_plan(pool, int(max(0.0, left) * GIB))
    return Shares(weights, activation, memory.graphs_gib(load)[1], left, kv, context)
