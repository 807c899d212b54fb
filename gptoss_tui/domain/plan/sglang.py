"""A plan for SGLang, to the depth that its source allows: the static pool and what it holds.

Source: `server_args.py` (mem_fraction_static from the card's size, chunked prefill and CUDA graph
batch) and `model_runner.py` (two pools, full and sliding window, in the ratio 0.8) of 0.5.x. Nothing
here was measured: every part is an estimate.
"""

from __future__ import annotations

from math import ceil

import msgspec

from gptoss_tui.domain.plan import compat, disk
from gptoss_tui.domain.plan.checks import check_common
from gptoss_tui.domain.plan.kv import dtype_bytes
from gptoss_tui.domain.plan.models import GIB, Model, model_named
from gptoss_tui.domain.plan.settle import (
    OWN_CONTEXT_GIB,
    context_of,
    smallest_gpu,
    tensor_parallel,
    visible_bytes,
)
from gptoss_tui.domain.plan.types import (
    Basis,
    KvPlan,
    MemoryPlan,
    Plan,
    PlanGpu,
    PlanRequest,
    Verdict,
)
from gptoss_tui.domain.plan.verdict import held
from gptoss_tui.domain.plan.weights import bf16_weights_gib

_MIB = 1024**2
_SWA_RATIO = 0.8  # swa_full_tokens_ratio
_BAND_GIB = 2.5
# With less held by others than this a GPU counts as idle: a desktop, a monitor, the driver.
_IDLE_GIB = 0.6
# Up to this many MiB of card: chunked prefill tokens, CUDA graph batch below and from TP 4.
_BY_SIZE: tuple[tuple[float, int, int, int], ...] = (
    (20 * 1024, 2048, 8, 8),
    (35 * 1024, 2048, 24, 80),
    (60 * 1024, 4096, 32, 160),
    (90 * 1024, 8192, 256, 512),
    (160 * 1024, 8192, 256, 512),
    (float("inf"), 16384, 512, 512),
)


def plan_sglang(request: PlanRequest) -> Plan:
    """What SGLang's pool holds. Raises `PlanInputError` for nonsense."""
    check_common(request)
    model, parallel = model_named(request.model), tensor_parallel(request)
    gpus = request.gpus[:parallel]
    gpu = smallest_gpu(gpus)
    context = context_of(request, model)
    free = _free_gib(gpus)
    share = request.gpu_memory_utilization or mem_fraction(gpu.memory_total_bytes, parallel)
    weights = _weights(model, parallel, request)
    pool = free * share - weights
    size = token_bytes(model, parallel, request.kv_cache_dtype)
    tokens = max(0, int(pool * GIB / size))
    concurrency = tokens / context
    verdict, reason = _verdict(request, pool, concurrency, context, _used_gib(gpus))
    filled = msgspec.structs.replace(
        request,
        tensor_parallel_size=parallel,
        max_model_len=context,
        gpu_memory_utilization=share,
    )
    return Plan(
        verdict=verdict,
        reason=reason,
        request=filled,
        tensor_parallel_size=parallel,
        memory_gib=_memory(gpus, free, share, weights),
        kv_cache=KvPlan(
            tokens=tokens,
            max_concurrency=concurrency,
            block_bytes=size,
            blocks=tokens,
            needed_gib_for_one_request=context * size / GIB,
        ),
        fits_requests=int(concurrency) if verdict in ("fits", "tight") else 0,
        basis=_basis(),
        band_gib=_BAND_GIB,
        command=_command(filled, model),
        warnings=(
            "SGLang's figures are estimates from its source: none was measured.",
            *disk.warnings(request),
        ),
        download_bytes=disk.download_bytes(request),
        image_download_bytes=disk.image_download_bytes(request),
        disk_bytes=disk.disk_bytes(request),
    )


def _memory(gpus: tuple[PlanGpu, ...], free: float, share: float, weights: float) -> MemoryPlan:
    """The static pool has weights and cache in it; what is left beside it serves all the rest."""
    return MemoryPlan(
        device_total=smallest_gpu(gpus).memory_total_bytes / GIB,
        used_by_others=_used_gib(gpus),
        budget=free * share,
        weights=weights,
        activation=None,
        non_torch=None,
        cuda_graphs=None,
        kv_cache=free * share - weights,
        outside_budget=free * (1 - share),
    )


def _used_gib(gpus: tuple[PlanGpu, ...]) -> float:
    return max(gpu.memory_used_bytes for gpu in gpus) / GIB


def _free_gib(gpus: tuple[PlanGpu, ...]) -> float:
    """What is free at its start: the share is of that (model_runner.py), not of the whole card."""
    free = min(visible_bytes(gpu) - gpu.memory_used_bytes for gpu in gpus) / GIB
    return max(0.0, free - OWN_CONTEXT_GIB)


def mem_fraction(total_bytes: int, tensor_parallel: int) -> float:
    """`mem_fraction_static` where the user leaves it out (server_args.py, in MiB)."""
    mib = total_bytes / _MIB
    prefill, graphs, graphs_tp4 = next(row[1:] for row in _BY_SIZE if mib < row[0])
    batch = graphs if tensor_parallel < 4 else graphs_tp4
    kept = 512 + max(prefill, 2048) * 1.5 + batch * 2 + tensor_parallel / 8 * 1024
    if mib > 60 * 1024:
        kept = max(kept, 10 * 1024)
    return round((mib - kept) / mib, 3)


def token_bytes(model: Model, tensor_parallel: int, kv_cache_dtype: str | None) -> int:
    """Bytes of one token of the full pool on one GPU, its share of the window pool included."""
    heads = ceil(model.kv_heads / tensor_parallel)
    layer = 2 * heads * model.head_dim * dtype_bytes(kv_cache_dtype)
    return int(layer * model.layers / 2 * (1 + _SWA_RATIO))


def _weights(model: Model, tensor_parallel: int, request: PlanRequest) -> float:
    if request.checkpoint == "bf16":
        return bf16_weights_gib(model, tensor_parallel)
    return model.checkpoint_bytes / tensor_parallel / GIB


def _verdict(
    request: PlanRequest, pool: float, concurrency: float, context: int, used: float
) -> tuple[Verdict, str]:
    users = request.users or 1
    refused = compat.other_makers(request)
    if refused is not None:
        return "unsupported", refused
    if pool <= 0 or concurrency < 1:
        return "does_not_fit", (
            f"The static pool leaves {max(0.0, pool):.1f} GiB for the KV cache, less than one "
            f"request of {context:,} tokens needs."
        )
    if concurrency < users:
        return "does_not_fit", (
            f"{users:,} users with {context:,} tokens each do not fit at once: "
            f"with these flags {int(concurrency):,} do."
        )
    if pool < _BAND_GIB + pool * users / concurrency:
        return "tight", (
            f"It fits by less than the estimate may be off ({_BAND_GIB} GiB): lower the context."
        )
    if used > _IDLE_GIB:
        return "tight", (
            f"Others hold {used:.1f} GiB: SGLang's share is of what is free, and what it leaves for "
            "prefill and graphs shrinks with it."
        )
    return "fits", (
        f"{pool:.1f} GiB of KV cache per GPU hold {held(concurrency)} of {context:,} tokens at once."
    )


def _basis() -> dict[str, Basis]:
    parts = ("budget", "weights", "kv_cache", "kv_tokens_for_that_memory")
    return dict.fromkeys(parts, "estimated")


def _command(request: PlanRequest, model: Model) -> tuple[str, ...]:
    """The model, then its flags, as for vLLM; where it listens is the container's affair."""
    words = [
        model.bf16_name if request.checkpoint == "bf16" else model.name,
        "--context-length", str(request.max_model_len),
        "--mem-fraction-static", f"{request.gpu_memory_utilization:g}",
        "--reasoning-parser", "gpt-oss", "--tool-call-parser", "gpt-oss", "--enable-metrics",
    ]  # fmt: skip
    if request.tensor_parallel_size and request.tensor_parallel_size > 1:
        words += ["--tp", str(request.tensor_parallel_size)]
    if request.kv_cache_dtype not in (None, "auto"):
        # What vLLM calls fp8 is called by its format here.
        named = {"fp8": "fp8_e4m3"}.get(str(request.kv_cache_dtype), str(request.kv_cache_dtype))
        words += ["--kv-cache-dtype", named]
    if request.max_num_seqs is not None:
        words += ["--max-running-requests", str(request.max_num_seqs)]
    return tuple(words)
