"""The request with the engine's defaults filled in."""

from __future__ import annotations

from math import ceil

import msgspec

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.checks import check_common
from gptoss_tui.domain.plan.models import GIB, Model, model_named
from gptoss_tui.domain.plan.types import AUTO_CONTEXT, PlanGpu, PlanRequest
from gptoss_tui.domain.plan.versions import Version
from gptoss_tui.domain.plan.wrong import PlanInputError

# What is planned for where nobody says it: tokens of each request, and how many run at once.
DEFAULT_CONTEXT, DEFAULT_USERS = 32_768, 8
# vLLM's own CUDA context is gone before it looks at the free memory: idle cards of 79.25 and 23.56
# GiB had 78.84 and 22.93 free then, so about this much, and up to that.
OWN_CONTEXT_GIB, OWN_CONTEXT_AT_MOST_GIB = 0.5, 0.65


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan for vLLM goes by. `gpus` are those that the server takes, the first ones.

    Every rank gets the same share, so the smallest decides; the first one decides the defaults and
    the kernels, for vLLM asks only that one what it can.
    """

    model: Model
    version: Version
    gpus: tuple[PlanGpu, ...]
    tensor_parallel: int
    context: int
    seqs: int
    batched: int
    utilization: float

    @property
    def smallest(self) -> PlanGpu:
        return smallest_gpu(self.gpus)

    def requested_bytes(self, gpu: PlanGpu) -> int:
        """What vLLM asks of a GPU: its share of what CUDA sees (v1/worker/utils.py)."""
        return ceil(visible_bytes(gpu) * self.utilization)


def settle(request: PlanRequest) -> Settings:
    """Check the request and fill in vLLM's defaults. Raises `PlanInputError`."""
    check_common(request)
    version = versions.parse(request.engine_version)
    parallel = tensor_parallel(request)
    model = model_named(request.model)
    context = model.max_context if request.max_model_len == AUTO_CONTEXT else None
    context = context or context_of(request, model)
    batched, seqs = batching(request, version, context)
    return Settings(
        model=model,
        version=version,
        gpus=request.gpus[:parallel],
        tensor_parallel=parallel,
        context=context,
        seqs=seqs,
        batched=batched,
        utilization=versions.default_utilization(version)
        if request.gpu_memory_utilization is None
        else request.gpu_memory_utilization,
    )


def batching(request: PlanRequest, version: Version, context: int) -> tuple[int, int]:
    """`(max_num_batched_tokens, max_num_seqs)` as vLLM settles them (engine/arg_utils.py).

    Sequences that are left out are at most the batch, in every release; a batch that is left out is
    at most sequences times context, from 0.11.1.
    """
    first = request.gpus[0]
    default_batched, default_seqs = versions.default_batching(
        version, visible_bytes(first), first.name
    )
    seqs = default_seqs if request.max_num_seqs is None else request.max_num_seqs
    batched = request.max_num_batched_tokens
    if batched is None:
        batched = default_batched
        if versions.caps_default_batch(version):
            batched = min(batched, seqs * context)
    if request.max_num_seqs is None:
        seqs = min(seqs, batched)
    return batched, seqs


def visible_bytes(gpu: PlanGpu) -> int:
    """What CUDA sees of a GPU's memory."""
    return gpu.memory_total_bytes - gpu.memory_reserved_bytes


def free_bytes(gpu: PlanGpu) -> int:
    """What surely is free when vLLM looks: its own context is there by then, and what others hold."""
    return visible_bytes(gpu) - gpu.memory_used_bytes - int(OWN_CONTEXT_AT_MOST_GIB * GIB)


def smallest_gpu(gpus: tuple[PlanGpu, ...]) -> PlanGpu:
    """The GPU of which CUDA sees the least memory."""
    return min(gpus, key=visible_bytes)


def seqs_for(users: int | None) -> int:
    """`--max-num-seqs` for so many users: twice as many, for most requests are short of the context."""
    return max(8, 2 * (users or 0))


def context_of(request: PlanRequest, model: Model) -> int:
    """The context in tokens; the model's own where none is asked for."""
    return model.max_context if request.max_model_len is None else request.max_model_len


def tensor_parallel(request: PlanRequest) -> int:
    """The wanted number of GPUs that share the model, or the largest that divides its heads."""
    wanted = request.tensor_parallel_size
    if wanted is None:
        return max(size for size in (1, 2, 4, 8) if size <= len(request.gpus))
    if wanted > len(request.gpus):
        raise PlanInputError(f"Tensor parallel {wanted} needs {wanted} GPUs.", "Choose more.")
    return wanted
