"""A plan for vLLM: one request, one verdict, every figure with its basis."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan import compat, disk, evidence, memory
from gptoss_tui.domain.plan.command import command
from gptoss_tui.domain.plan.device import is_unified
from gptoss_tui.domain.plan.kv import BLOCK_TOKENS, KvSettings, kv_plan, longest_context
from gptoss_tui.domain.plan.memory import Load
from gptoss_tui.domain.plan.models import GIB
from gptoss_tui.domain.plan.predict import correction_of
from gptoss_tui.domain.plan.settle import Settings, seqs_for, settle
from gptoss_tui.domain.plan.types import (
    AUTO_CONTEXT,
    Basis,
    KvPlan,
    MemoryPlan,
    Plan,
    PlanRequest,
)
from gptoss_tui.domain.plan.verdict import Figures, judge
from gptoss_tui.domain.plan.weights import (
    bf16_weights_gib,
    capability,
    is_intel,
    moe_backend,
    weights_gib,
)


def plan_vllm(request: PlanRequest) -> Plan:
    """What the engine will say for `request`. Raises `PlanInputError` for nonsense."""
    if request.max_model_len == AUTO_CONTEXT:
        return plan_vllm(with_context(request))
    settings = settle(request)
    filled = _filled(request, settings)
    load = load_of(filled, settings)
    corrected = correction_of(filled)
    parts = _memory(filled, settings, load, corrected)
    pool = _pool(filled, settings)
    kv = kv_plan(pool, _cache_bytes(filled, parts))
    band = evidence.CORRECTED_BAND_GIB if corrected is not None else evidence.band_gib(load)
    verdict, reason = judge(
        Figures(request=filled, settings=settings, memory=parts, pool=pool, kv=kv, band=band)
    )
    fits = 0 if verdict in ("does_not_fit", "unsupported") else max(1, int(kv.max_concurrency))
    return Plan(
        verdict=verdict,
        reason=reason,
        request=filled,
        tensor_parallel_size=settings.tensor_parallel,
        memory_gib=parts,
        kv_cache=kv,
        fits_requests=min(fits, settings.seqs),
        basis=_basis(filled, settings, load, corrected),
        band_gib=band,
        command=command(filled, settings.model, settings.version),
        warnings=tuple(_warnings(request, settings, load, kv)),
        download_bytes=disk.download_bytes(request),
        image_download_bytes=disk.image_download_bytes(request),
        disk_bytes=disk.disk_bytes(request),
    )


def with_context(request: PlanRequest) -> PlanRequest:
    """--max-model-len -1 written out: the longest context that fits, the whole where none does.

    vLLM finds it the same way, from the memory that is left (_auto_fit_max_model_len).
    """
    if request.max_model_len != AUTO_CONTEXT:
        return request
    settings = settle(request)
    filled = _filled(request, settings)
    parts = _memory(filled, settings, load_of(filled, settings), correction_of(filled))
    longest = longest_context(_pool(filled, settings), _cache_bytes(filled, parts))
    return msgspec.structs.replace(request, max_model_len=longest or settings.context)


def load_of(request: PlanRequest, settings: Settings) -> Load:
    """What the use of memory depends on."""
    first = settings.gpus[0]
    return Load(
        model=settings.model,
        version=settings.version,
        backend=moe_backend(first, settings.version, request.installed_by),
        tensor_parallel=settings.tensor_parallel,
        seqs=settings.seqs,
        batched=settings.batched,
        eager=request.enforce_eager,
        installed_by=request.installed_by,
        doubtful=bool(_doubts(request, settings)),
    )


def _doubts(request: PlanRequest, settings: Settings) -> list[str]:
    """What makes a plan less sure than its logs, in words."""
    first, found = settings.gpus[0], []
    foreign = is_intel(first.name) or compat.other_makers(request) is not None
    if capability(first.compute_capability) is None and not foreign:
        found.append(
            f"The compute capability of {first.name} is not known: it is planned as Ampere (8.x)."
        )
    if len({gpu.name for gpu in settings.gpus}) > 1:
        found.append("The GPUs differ in kind: vLLM asks only the first one what it can.")
    if is_unified(first.name):
        found.append("The GPU shares the host's memory: its page cache and programs count too.")
    if memory.without_flashinfer(settings.version, request.installed_by):
        found.append(
            f"A vLLM {request.engine_version} installed by pip sorts without FlashInfer, and runs "
            "Triton's kernels instead of Marlin only where triton_kernels was installed as well."
        )
    return found


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


def _memory(
    request: PlanRequest, settings: Settings, load: Load, corrected: float | None
) -> MemoryPlan:
    budget = settings.requested_bytes(settings.smallest) / GIB
    weights = _weights(request, load)
    activation = memory.activation_gib(load)
    non_torch = memory.non_torch_gib(load)
    graphs = memory.counted_graphs_gib(load)
    used = weights + activation + non_torch + graphs
    kv = budget - used + (corrected or 0.0)
    if request.kv_cache_memory_bytes is not None:
        # The engine then leaves the utilization aside, and takes what this adds up to.
        kv = request.kv_cache_memory_bytes / GIB
        budget = used + kv
    return MemoryPlan(
        device_total=settings.smallest.memory_total_bytes / GIB,
        used_by_others=max(gpu.memory_used_bytes for gpu in settings.gpus) / GIB,
        budget=budget,
        weights=weights,
        activation=activation,
        non_torch=non_torch,
        cuda_graphs=graphs,
        kv_cache=kv,
        outside_budget=memory.outside_gib(load),
    )


def _cache_bytes(request: PlanRequest, parts: MemoryPlan) -> int:
    given = request.kv_cache_memory_bytes
    return int(parts.kv_cache * GIB) if given is None else given


def _weights(request: PlanRequest, load: Load) -> float:
    if request.checkpoint == "bf16":
        return bf16_weights_gib(load.model, load.tensor_parallel)
    return weights_gib(load.model, load.tensor_parallel, load.backend, load.version)


def _basis(
    request: PlanRequest, settings: Settings, load: Load, corrected: float | None
) -> dict[str, Basis]:
    parts = evidence.parts_basis(load)
    guessed = any(gpu.reserved_guessed for gpu in settings.gpus)
    return {
        "budget": "estimated" if guessed else "exact",
        "weights": "estimated" if request.checkpoint == "bf16" else evidence.weights_basis(load),
        "activation": parts,
        "non_torch": parts,
        "cuda_graphs": parts,
        "kv_cache": "estimated" if corrected is None else "measured",
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


def _warnings(request: PlanRequest, settings: Settings, load: Load, kv: KvPlan) -> list[str]:
    found = _doubts(request, settings)
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
    if len({gpu.memory_total_bytes for gpu in settings.gpus}) > 1:
        found.append("The GPUs differ in memory: the smallest one decides.")
    found += _about_release(settings, load)
    return found + disk.warnings(request) + compat.notes(request, settings.version)


def _about_release(settings: Settings, load: Load) -> list[str]:
    found: list[str] = []
    if settings.version < (0, 14, 0):
        found.append("vLLM before 0.14 downloads the weights twice (original/ as well).")
    by_pip = msgspec.structs.replace(load, installed_by="pip")
    more = memory.activation_gib(by_pip) - memory.activation_gib(load)
    if more > 0.5:
        found.append(
            f"This is for the official image: installed by pip, vLLM's profiling run takes {more:.1f} "
            "GiB more (--installed-by pip)."
        )
    return found
