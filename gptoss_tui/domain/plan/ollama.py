"""A plan for Ollama: context times parallel slots, and what goes to the CPU when it is too large.

Sources: Ollama's envconfig (OLLAMA_NUM_PARALLEL, OLLAMA_CONTEXT_LENGTH, OLLAMA_KV_CACHE_TYPE) and
two published runs: gpt-oss:20b with 131,072 tokens of q8_0 cache and one slot held 15,132 MiB of an
RTX 5090; 120b with one slot of 8,192 tokens printed 450.0 MiB of f16 cache, which is 288 for the
full-attention layers and 162 for the window ones: 4,096 tokens a slot and a batch of 512 there
(NewSWAMemCache). Everything is an estimate.
"""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan import disk, versions
from gptoss_tui.domain.plan.checks import check_common
from gptoss_tui.domain.plan.models import GIB, Model, model_named
from gptoss_tui.domain.plan.settle import context_of
from gptoss_tui.domain.plan.types import Basis, KvPlan, MemoryPlan, Plan, PlanRequest, Verdict

# CUDA context and compute buffers, from the 5090's run.
_OVERHEAD_GIB = 1.39
_BAND_GIB = 1.0
# Bytes of one cached number (OLLAMA_KV_CACHE_TYPE): 32 numbers of q8_0 take 34 bytes, of q4_0 18.
_CACHE = {"q8_0": 34 / 32, "q4_0": 18 / 32}
_F16 = 2.0
_WINDOW_TOKENS, _BATCH_TOKENS = 4096, 512  # kept by the window layers: a slot, and once besides


def plan_ollama(request: PlanRequest) -> Plan:
    """Whether it stays on the GPUs. Ollama splits layers over them by itself."""
    check_common(request)
    versions.number(request.engine_version, "Ollama")
    model = model_named(request.model)
    context, slots = context_of(request, model), request.users or 1
    total = sum(gpu.memory_total_bytes - gpu.memory_reserved_bytes for gpu in request.gpus) / GIB
    used = sum(gpu.memory_used_bytes for gpu in request.gpus) / GIB
    weights = weights_gib(model)
    batch = _BATCH_TOKENS * token_bytes(model, request.kv_cache_dtype) / GIB
    overhead = _OVERHEAD_GIB * len(request.gpus) + batch
    left = total - used - weights - overhead
    each = slot_gib(model, context, request.kv_cache_dtype)
    concurrency = max(0.0, left / each)
    verdict, reason = _verdict(request, left, each * slots, slots, context)
    filled = msgspec.structs.replace(
        request, max_model_len=context, tensor_parallel_size=1, users=slots
    )
    return Plan(
        verdict=verdict,
        reason=reason,
        request=filled,
        tensor_parallel_size=1,
        memory_gib=MemoryPlan(
            device_total=total,
            used_by_others=used,
            budget=total - used,
            weights=weights,
            activation=None,
            non_torch=overhead,
            cuda_graphs=None,
            kv_cache=each * slots,
            outside_budget=0.0,
        ),
        kv_cache=KvPlan(
            tokens=slots * context,
            max_concurrency=concurrency,
            block_bytes=int(token_bytes(model, request.kv_cache_dtype)),
            blocks=slots * context,
            needed_gib_for_one_request=each,
        ),
        fits_requests=int(concurrency) if verdict in ("fits", "tight") else 0,
        basis=_basis(),
        band_gib=_BAND_GIB,
        command=(f"gpt-oss:{model.key}",),
        warnings=(
            f"It is started with OLLAMA_NUM_PARALLEL={slots} and OLLAMA_CONTEXT_LENGTH={context}: "
            "further requests wait.",
            "Memory is that of all GPUs together: Ollama spreads the layers.",
            *disk.warnings(request),
        ),
        download_bytes=disk.download_bytes(request),
        image_download_bytes=disk.image_download_bytes(request),
        disk_bytes=disk.disk_bytes(request),
    )


def token_bytes(model: Model, kv_cache_dtype: str | None) -> float:
    """Bytes of one token in half of the layers, be it the full-attention or the window ones."""
    each = _CACHE.get(kv_cache_dtype or "", _F16)
    return model.layers / 2 * 2 * model.kv_heads * model.head_dim * each


def slot_gib(model: Model, context: int, kv_cache_dtype: str | None) -> float:
    """The cache of one slot: its context, and what the window layers keep."""
    return (context + min(context, _WINDOW_TOKENS)) * token_bytes(model, kv_cache_dtype) / GIB


def weights_gib(model: Model) -> float:
    """The input embedding stays in the host's memory."""
    return (model.checkpoint_bytes - model.vocabulary * model.hidden * 2) / GIB


def _verdict(
    request: PlanRequest, left: float, needed: float, slots: int, context: int
) -> tuple[Verdict, str]:
    if request.checkpoint == "bf16":
        return "unsupported", "Ollama's gpt-oss is MXFP4; it has no BF16 checkpoint of it."
    if left < needed:
        return "does_not_fit", (
            f"{_slots(slots)} of {context:,} tokens take {needed:.1f} GiB of cache, and "
            f"{max(0.0, left):.1f} GiB are left: Ollama moves layers to the CPU, and it gets slow."
        )
    if left - needed < _BAND_GIB:
        return "tight", (
            f"It fits by {left - needed:.1f} GiB, and the estimate may be off by {_BAND_GIB:g} GiB."
        )
    return (
        "fits",
        f"{_slots(slots)} of {context:,} tokens: {needed:.1f} of {left:.1f} GiB of cache.",
    )


def _slots(slots: int) -> str:
    return "One slot" if slots == 1 else f"{slots} slots"


def _basis() -> dict[str, Basis]:
    parts = ("budget", "weights", "non_torch", "kv_cache", "kv_tokens_for_that_memory")
    return dict.fromkeys(parts, "estimated")
