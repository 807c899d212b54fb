"""`plan`: one request, one verdict, every figure with its basis."""

from __future__ import annotations

from math import ceil

import msgspec

from gptoss_tui.domain.plan import memory, versions
from gptoss_tui.domain.plan.command import command
from gptoss_tui.domain.plan.kv import kv_plan
from gptoss_tui.domain.plan.models import GIB, Model, model_named
from gptoss_tui.domain.plan.types import (
    Basis,
    KvPlan,
    MemoryPlan,
    Plan,
    PlanInputError,
    PlanRequest,
    Verdict,
)
from gptoss_tui.domain.plan.versions import Version

# How far the sum of the measured parts was off on the known rows (GiB): activation, graphs, NCCL.
_BAND_GIB = 0.9
# An image of vLLM unpacked, as one user measured v0.27.1: 26 GB.
_IMAGE_BYTES = 26 * 10**9


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The request with the engine's defaults filled in."""

    model: Model
    version: Version
    tensor_parallel: int
    context: int
    seqs: int
    batched: int
    utilization: float


def plan(request: PlanRequest) -> Plan:
    """What the engine will say for `request`. Raises `PlanInputError` for nonsense."""
    settings = settle(request)
    figures = _memory(request, settings)
    available = (
        request.kv_cache_memory_bytes
        if request.kv_cache_memory_bytes is not None
        else int(figures.kv_cache * GIB)
    )
    kv = kv_plan(
        settings.model,
        available,
        context=settings.context,
        batched_tokens=settings.batched,
        tensor_parallel=settings.tensor_parallel,
        kv_cache_dtype=request.kv_cache_dtype,
        version=settings.version,
    )
    verdict, reason = _verdict(request, settings, figures, kv)
    fits = 0 if verdict in ("does_not_fit", "unsupported") else int(kv.max_concurrency)
    filled = _filled(request, settings)
    return Plan(
        verdict=verdict,
        reason=reason,
        request=filled,
        tensor_parallel_size=settings.tensor_parallel,
        memory_gib=figures,
        kv_cache=kv,
        fits_requests=min(fits, settings.seqs),
        basis=_basis(settings),
        band_gib=_BAND_GIB,
        command=command(filled, settings.model, settings.version),
        warnings=tuple(_warnings(request, settings, kv, fits)),
        download_bytes=_download_bytes(settings),
        disk_bytes=_download_bytes(settings) + _IMAGE_BYTES,
    )


def settle(request: PlanRequest) -> _Settings:
    """Check the request and fill in the version's defaults. Raises `PlanInputError`."""
    if request.engine != "vllm":
        raise PlanInputError(f"Plans for {request.engine!r} are not made yet.", "Choose vllm.")
    if not request.gpus:
        raise PlanInputError("There is no GPU to plan for.", "Choose at least one.")
    model, version = model_named(request.model), versions.parse(request.engine_version)
    smallest = min(request.gpus, key=lambda gpu: gpu.memory_total_bytes)
    batched, seqs = versions.default_batching(version, smallest.memory_total_bytes, smallest.name)
    settings = _Settings(
        model=model,
        version=version,
        tensor_parallel=_tensor_parallel(request),
        context=model.max_context if request.max_model_len is None else request.max_model_len,
        seqs=seqs if request.max_num_seqs is None else request.max_num_seqs,
        batched=batched
        if request.max_num_batched_tokens is None
        else request.max_num_batched_tokens,
        utilization=versions.default_utilization(version)
        if request.gpu_memory_utilization is None
        else request.gpu_memory_utilization,
    )
    _check(request, settings)
    return settings


def _tensor_parallel(request: PlanRequest) -> int:
    wanted = request.tensor_parallel_size
    if wanted is None:
        return max(size for size in (1, 2, 4, 8) if size <= len(request.gpus))
    if wanted not in (1, 2, 4, 8):
        raise PlanInputError(
            f"{wanted} GPUs cannot share this model.", "Tensor parallel takes 1, 2, 4 or 8."
        )
    if wanted > len(request.gpus):
        raise PlanInputError(f"Tensor parallel {wanted} needs {wanted} GPUs.", "Choose more.")
    return wanted


def _check(request: PlanRequest, settings: _Settings) -> None:
    rules = (
        (settings.context >= 1, f"A context of {settings.context} tokens makes no sense."),
        (
            settings.context <= settings.model.max_context,
            f"The context can be {settings.model.max_context:,} tokens at most.",
        ),
        (settings.seqs >= 1, f"{settings.seqs} sequences at once make no sense."),
        (settings.batched >= 1, f"{settings.batched} batched tokens make no sense."),
        (
            0 < settings.utilization <= 1,
            f"A memory utilization of {settings.utilization:g} makes no sense: it is above 0 "
            "and at most 1.",
        ),
        (request.users is None or request.users >= 1, f"{request.users} users make no sense."),
        (
            all(gpu.memory_total_bytes > 0 and gpu.memory_used_bytes >= 0 for gpu in request.gpus),
            "A GPU's memory must be above 0.",
        ),
        (
            request.kv_cache_memory_bytes is None or request.kv_cache_memory_bytes > 0,
            "The KV cache's memory must be above 0.",
        ),
        (
            request.kv_cache_dtype in (None, "auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"),
            f"A KV cache of {request.kv_cache_dtype!r} is not known: auto, bfloat16 or fp8.",
        ),
    )
    for holds, sentence in rules:
        if not holds:
            raise PlanInputError(sentence)


def _memory(request: PlanRequest, settings: _Settings) -> MemoryPlan:
    """The smallest GPU decides: every rank gets the same share."""
    gpu = min(request.gpus, key=lambda gpu: gpu.memory_total_bytes)
    total = gpu.memory_total_bytes
    budget = ceil(total * settings.utilization) / GIB
    cap = memory.capability(gpu.compute_capability)
    weights = memory.weights_gib(settings.model, settings.tensor_parallel, cap, settings.version)
    activation, _ = memory.activation_gib(settings.batched, settings.version)
    non_torch = memory.non_torch_gib(settings.tensor_parallel)
    estimated, _ = memory.graphs_gib(request, settings.tensor_parallel, settings.version)
    graphs = estimated if versions.subtracts_graphs(settings.version, request) else 0.0
    kv = budget - weights - activation - non_torch - graphs
    if request.kv_cache_memory_bytes is not None:
        kv = request.kv_cache_memory_bytes / GIB
    return MemoryPlan(
        device_total=total / GIB,
        used_by_others=max(gpu.memory_used_bytes for gpu in request.gpus) / GIB,
        budget=budget,
        weights=weights,
        activation=activation,
        non_torch=non_torch,
        cuda_graphs=graphs,
        kv_cache=kv,
        outside_budget=memory.outside_gib(
            request, settings.model, settings.seqs, settings.tensor_parallel, settings.version
        ),
    )


def _verdict(
    request: PlanRequest, settings: _Settings, figures: MemoryPlan, kv: KvPlan
) -> tuple[Verdict, str]:
    caps = [memory.capability(gpu.compute_capability) for gpu in request.gpus]
    if any(cap is not None and cap < (8, 0) for cap in caps):
        return "unsupported", "vLLM's MXFP4 needs compute capability 8.0 or newer (Ampere)."
    free = figures.device_total - figures.used_by_others
    if free < figures.budget and request.kv_cache_memory_bytes is None:
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
    if figures.kv_cache < needed:
        return "does_not_fit", (
            f"One request of {settings.context:,} tokens needs {needed:.2f} GiB of KV cache, and "
            f"{figures.kv_cache:.2f} GiB are left."
        )
    if request.users is not None and kv.max_concurrency < request.users:
        return "does_not_fit", (
            f"{request.users} requests of {settings.context:,} tokens do not fit at once: "
            f"{kv.max_concurrency:.1f} do."
        )
    return _margins(figures, needed, settings, kv)


def _margins(
    figures: MemoryPlan, needed: float, settings: _Settings, kv: KvPlan
) -> tuple[Verdict, str]:
    rest = figures.device_total - figures.used_by_others - figures.budget - figures.outside_budget
    if rest < 0:
        return "tight", (
            f"The sampler's warm-up and the graphs need {figures.outside_budget:.1f} GiB outside "
            "the budget, more than is left: lower --max-num-seqs or --gpu-memory-utilization."
        )
    if figures.kv_cache - _BAND_GIB < needed:
        return "tight", (
            f"It fits by {figures.kv_cache - needed:.1f} GiB, and the estimate may be off by "
            f"{_BAND_GIB} GiB: a smaller --max-model-len or --max-num-batched-tokens is safer."
        )
    return "fits", (
        f"{figures.kv_cache:.1f} GiB of KV cache a GPU hold {kv.max_concurrency:.1f} requests of "
        f"{settings.context:,} tokens at once."
    )


def _basis(settings: _Settings) -> dict[str, Basis]:
    _, activation = memory.activation_gib(settings.batched, settings.version)
    return {
        "budget": "exact",
        "weights": "measured",
        "activation": activation,
        "non_torch": "measured" if settings.tensor_parallel <= 2 else "estimated",
        "cuda_graphs": "measured" if settings.tensor_parallel <= 2 else "estimated",
        "kv_cache": "estimated",
        "kv_tokens_for_that_memory": "exact",
    }


def _filled(request: PlanRequest, settings: _Settings) -> PlanRequest:
    return msgspec.structs.replace(
        request,
        tensor_parallel_size=settings.tensor_parallel,
        max_model_len=settings.context,
        max_num_seqs=settings.seqs,
        max_num_batched_tokens=settings.batched,
        gpu_memory_utilization=settings.utilization,
    )


def _warnings(request: PlanRequest, settings: _Settings, kv: KvPlan, fits: int) -> list[str]:
    found: list[str] = []
    if settings.seqs > max(1, fits):
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
    return found


def _download_bytes(settings: _Settings) -> int:
    """Up to 0.13 the pattern *.safetensors also matches the copy in original/ (weight_utils.py)."""
    return settings.model.checkpoint_bytes * (2 if settings.version < (0, 14, 0) else 1)
