"""What a plan says of the lines that the engine will print, and the key of its difference."""

from __future__ import annotations

from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.speed import SeenSpeed
from gptoss_tui.domain.plan.types import Plan, PlanRequest
from gptoss_tui.domain.startup import Prediction, StartupFigures


def prediction(made: Plan) -> Prediction:
    """The figures of a plan, as the engine prints them."""
    memory = made.memory_gib
    graphs = None if memory.cuda_graphs is None else round(memory.cuda_graphs, 2)
    return Prediction(
        key=correction_key(made.request),
        figures=StartupFigures(
            weights_gib=round(memory.weights, 2),
            kv_cache_gib=round(memory.kv_cache, 2),
            kv_tokens=made.kv_cache.tokens,
            max_concurrency=round(made.kv_cache.max_concurrency, 2),
            cuda_graphs_gib=graphs,
        ),
        corrected_by_gib=round(correction_of(made.request) or 0.0, 3),
    )


def correction_key(filled: PlanRequest) -> str:
    """What a measured difference holds for: all that the memory of a start depends on.

    `filled` has its tensor parallelism, batch, sequences and utilization set.
    """
    return "/".join(
        (
            filled.engine,
            filled.engine_version,
            model_named(filled.model).key,
            filled.checkpoint,
            f"{filled.tensor_parallel_size}x{filled.gpus[0].name}",
            f"batch{filled.max_num_batched_tokens}",
            f"seqs{filled.max_num_seqs}",
            f"of{filled.gpu_memory_utilization}",
            f"kv-{filled.kv_cache_dtype or 'auto'}",
            "eager" if filled.enforce_eager else "graphs",
        )
    )


def seen_speed(filled: PlanRequest) -> SeenSpeed | None:
    """The most that this box has generated with these flags; None while nobody has seen any."""
    for key, tokens_per_s, requests in filled.speeds:
        if key == correction_key(filled):
            return SeenSpeed(tokens_per_s=tokens_per_s, requests=requests)
    return None


def correction_of(filled: PlanRequest) -> float | None:
    """GiB of KV cache that this box has shown more (or less) than the plan said; None if unknown."""
    if not filled.corrections:
        return None
    return dict(filled.corrections).get(correction_key(filled))
