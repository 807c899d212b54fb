"""A plan for vLLM: one request, one verdict, every figure with its basis."""

from __future__ import annotations

from math import ceil

import msgspec

from gptoss_tui.domain.plan import compat, disk, memory
from gptoss_tui.domain.plan.command import command
from gptoss_tui.domain.plan.kv import BLOCK_TOKENS, KvSettings, kv_plan, longest_context
from gptoss_tui.domain.plan.memory import Load
from gptoss_tui.domain.plan.models import GIB
from gptoss_tui.domain.plan.predict import correction_of
from gptoss_tui.domain.plan.settle import Settings, seqs_for, settle
from gptoss_tui.domain.plan.types import (
    Basis,
    KvPlan,
    MemoryPlan,
    Plan,
    PlanRequest,
    Verdict,
)
from gptoss_tui.domain.plan.weights import bf16_weights_gib, moe_backend, weights_gib

# Where this box has already shown how far off the plan is.
_CORRECTED_BAND_GIB = 0.2
# Starts with less than this beside all that is needed are called tight.
_SAFE_GIB = 0.25
# What lacks no more than this may start all the same.
_NEAR_GIB = 0.25


def plan_vllm(request: PlanRequest) -> Plan:
    """What the engine will say for `request`. Raises `PlanInputError` for nonsense."""
    settings = settle(request)
    filled = _filled(request, settings)
    corrected = correction_of(filled)
    figures = _memory(filled, settings, corrected)
    available = (
        request.kv_cache_memory_bytes
        if request.kv_cache_memory_bytes is not None
        else int(figures.kv_cache * GIB)
    )
    kv = kv_plan(_pool(filled, settings), available)
    band = _CORRECTED_BAND_GIB if corrected else memory.band_gib(settings.version)
    verdict, reason = _verdict(filled, settings, figures, kv, band)
    fits = 0 if verdict in ("does_not_fit", "unsupported") else max(1, int(kv.max_concurrency))
    return Plan(
        verdict=verdict,
        reason=reason,
        request=filled,
        tensor_parallel_size=settings.tensor_parallel,
        memory_gib=figures,
        kv_cache=kv,
        fits_requests=min(fits, settings.seqs),
        basis=_basis(request, settings, corrected),
        band_gib=band,
        command=command(filled, settings.model, settings.version),
        warnings=tuple(_warnings(request, settings, kv)),
        download_bytes=disk.download_bytes(request),
        disk_bytes=disk.disk_bytes(request),
    )


def _pool(filled: PlanRequest, settings: Settings) -> KvSettings:
    return KvSettings(
        model=settings.model,
        version=settings.version,
        context=settings.context,
        batched_tokens=settings.batched,
        tensor_parallel=settings.tensor_parallel,
        kv_cache_dtype=filled.kv_cache_dtype,
        block_tokens=filled.block_size or BLOCK_TOKENS,
        async_scheduling=filled.async_scheduling,
        hybrid=not filled.disable_hybrid_kv_cache_manager,
    )


def load_of(request: PlanRequest, settings: Settings) -> Load:
    """What the use of memory depends on."""
    return Load(
        model=settings.model,
        version=settings.version,
        backend=moe_backend(settings.gpu, settings.version),
        tensor_parallel=settings.tensor_parallel,
        seqs=settings.seqs,
        batched=settings.batched,
        eager=request.enforce_eager,
    )


def _memory(request: PlanRequest, settings: Settings, corrected: float) -> MemoryPlan:
    load = load_of(request, settings)
    budget = ceil(settings.visible_bytes * settings.utilization) / GIB
    weights = _weights(request, load)
    activation, _ = memory.activation_gib(load)
    non_torch = memory.non_torch_gib(load)
    graphs = memory.counted_graphs_gib(load)
    used = weights + activation + non_torch + graphs
    kv = budget - used + corrected
    if request.kv_cache_memory_bytes is not None:
        # The engine then leaves the utilization aside, and takes what this adds up to.
        kv = request.kv_cache_memory_bytes / GIB
        budget = used + kv
    return MemoryPlan(
        device_total=settings.gpu.memory_total_bytes / GIB,
        used_by_others=max(gpu.memory_used_bytes for gpu in request.gpus) / GIB,
        budget=budget,
        weights=weights,
        activation=activation,
        non_torch=non_torch,
        cuda_graphs=graphs,
        kv_cache=kv,
        outside_budget=memory.outside_gib(load),
    )


def _weights(request: PlanRequest, load: Load) -> float:
    if request.checkpoint == "bf16":
        return bf16_weights_gib(load.model, load.tensor_parallel)
    return weights_gib(load.model, load.tensor_parallel, load.backend, load.version)


def _verdict(
    request: PlanRequest, settings: Settings, figures: MemoryPlan, kv: KvPlan, band: float
) -> tuple[Verdict, str]:
    refused = compat.refusal(request, settings.version)
    if refused is not None:
        return "unsupported", refused
    near = min(band, _NEAR_GIB) if request.kv_cache_memory_bytes is None else 0.0
    free = settings.visible_bytes / GIB - figures.used_by_others
    if free < figures.budget:
        return "does_not_fit", (
            f"Only {free:.1f} GiB of the GPU are free, and the budget is {figures.budget:.1f} GiB: "
            "vLLM refuses to start."
        )
    if figures.kv_cache <= 0:
        return "does_not_fit", (
            f"Weights, activation and the rest need {figures.budget - figures.kv_cache:.1f} GiB; "
            f"the budget is {figures.budget:.1f} GiB."
        )
    needed = kv.needed_gib_for_one_request
    if figures.kv_cache < needed <= figures.kv_cache + near and request.users in (None, 1):
        return "tight", (
            f"One request of {settings.context:,} tokens needs {needed:.2f} GiB of KV cache, and "
            f"about {figures.kv_cache:.2f} GiB are left: it may start or not. A smaller "
            "--max-model-len is safe."
        )
    if figures.kv_cache < needed:
        longest = longest_context(_pool(request, settings), int(figures.kv_cache * GIB))
        return "does_not_fit", (
            f"One request of {settings.context:,} tokens needs {needed:.2f} GiB of KV cache, and "
            f"{figures.kv_cache:.2f} GiB are left; the longest context that fits is {longest:,}."
        )
    if request.users is not None and kv.max_concurrency < request.users:
        return "does_not_fit", (
            f"{request.users} requests of {settings.context:,} tokens do not fit at once: "
            f"{kv.max_concurrency:.1f} do."
        )
    rest = free - figures.budget - figures.outside_budget
    return _margins(request, figures, kv, band, rest)


def _margins(
    request: PlanRequest, figures: MemoryPlan, kv: KvPlan, band: float, rest: float
) -> tuple[Verdict, str]:
    """It fits by the figures; does it by the band around them? `rest` is free outside the budget."""
    context = request.max_model_len or 0
    if rest < _SAFE_GIB:
        return "tight", (
            f"Start-up needs about {figures.outside_budget:.1f} GiB outside the budget, and "
            f"{rest + figures.outside_budget:.1f} GiB are: lower --gpu-memory-utilization or "
            "--max-num-seqs."
        )
    if request.kv_cache_memory_bytes is None:
        spare = figures.kv_cache - kv.needed_gib_for_one_request * max(1, request.users or 1)
        if spare < band:
            return "tight", (
                f"It fits by {max(0.0, spare):.1f} GiB, and the estimate may be off by {band:g} "
                "GiB: a smaller --max-model-len or --max-num-batched-tokens is safer."
            )
    return "fits", (
        f"{figures.kv_cache:.1f} GiB of KV cache per GPU hold {kv.max_concurrency:.1f} requests of "
        f"{context:,} tokens at once."
    )


def _basis(request: PlanRequest, settings: Settings, corrected: float) -> dict[str, Basis]:
    _, activation = memory.activation_gib(load_of(request, settings))
    measured = settings.tensor_parallel <= 4 and settings.version < (0, 27, 0)
    parallel: Basis = "measured" if measured else "estimated"
    return {
        "budget": "exact",
        "weights": "measured" if request.checkpoint == "mxfp4" else "estimated",
        "activation": activation,
        "non_torch": parallel,
        "cuda_graphs": parallel,
        "kv_cache": "measured" if corrected else "estimated",
        "kv_tokens_for_that_memory": "exact",
    }


def _filled(request: PlanRequest, settings: Settings) -> PlanRequest:
    return msgspec.structs.replace(
        request,
        tensor_parallel_size=settings.tensor_parallel,
        max_model_len=settings.context,
        max_num_seqs=settings.seqs,
        max_num_batched_tokens=settings.batched,
        gpu_memory_utilization=settings.utilization,
    )


def _warnings(request: PlanRequest, settings: Settings, kv: KvPlan) -> list[str]:
    found: list[str] = []
    if request.users is not None and request.users > settings.seqs:
        found.append(
            f"--max-num-seqs {settings.seqs} lets {settings.seqs} requests run at once: the others "
            f"of {request.users} users will wait."
        )
    fits = int(kv.max_concurrency)
    if settings.seqs > max(seqs_for(request.users), fits):
        found.append(
            f"--max-num-seqs {settings.seqs} is more than fits at full context ({fits}): longer "
            "requests will wait or be preempted."
        )
    if len(request.gpus) > settings.tensor_parallel:
        idle = len(request.gpus) - settings.tensor_parallel
        found.append(f"{idle} of the chosen GPUs would stay idle.")
    if len({gpu.memory_total_bytes for gpu in request.gpus}) > 1:
        found.append("The GPUs differ in memory: the smallest one decides.")
    if settings.version < (0, 14, 0):
        found.append("vLLM before 0.14 downloads the weights twice (original/ as well).")
    return found + disk.warnings(request) + compat.notes(request, settings.version)
