"""The request with the engine's defaults filled in, and the sentences for nonsense."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import Model, model_named
from gptoss_tui.domain.plan.types import PlanGpu, PlanRequest
from gptoss_tui.domain.plan.versions import Version
from gptoss_tui.domain.plan.wrong import PlanInputError

KV_DTYPES = (None, "auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan for vLLM goes by. The smallest GPU decides: every rank gets the same share."""

    model: Model
    version: Version
    gpu: PlanGpu
    tensor_parallel: int
    context: int
    seqs: int
    batched: int
    utilization: float

    @property
    def visible_bytes(self) -> int:
        """What CUDA sees of the smallest GPU."""
        return self.gpu.memory_total_bytes - self.gpu.memory_reserved_bytes


def settle(request: PlanRequest) -> Settings:
    """Check the request and fill in vLLM's defaults. Raises `PlanInputError`."""
    check_common(request)
    version = versions.parse(request.engine_version)
    smallest = smallest_gpu(request)
    batched, seqs = versions.default_batching(
        version, smallest.memory_total_bytes - smallest.memory_reserved_bytes, smallest.name
    )
    model = model_named(request.model)
    return Settings(
        model=model,
        version=version,
        gpu=smallest,
        tensor_parallel=tensor_parallel(request),
        context=context_of(request, model),
        seqs=seqs if request.max_num_seqs is None else request.max_num_seqs,
        batched=batched
        if request.max_num_batched_tokens is None
        else request.max_num_batched_tokens,
        utilization=versions.default_utilization(version)
        if request.gpu_memory_utilization is None
        else request.gpu_memory_utilization,
    )


def seqs_for(users: int | None) -> int:
    """`--max-num-seqs` for so many users: twice as many, for most requests are short of the context."""
    return max(8, 2 * (users or 0))


def context_of(request: PlanRequest, model: Model) -> int:
    """The context in tokens; the model's own where none is asked for."""
    return model.max_context if request.max_model_len is None else request.max_model_len


def smallest_gpu(request: PlanRequest) -> PlanGpu:
    """The GPU with the least memory that CUDA sees."""
    return min(request.gpus, key=lambda gpu: gpu.memory_total_bytes - gpu.memory_reserved_bytes)


def tensor_parallel(request: PlanRequest) -> int:
    """The wanted number of GPUs that share the model, or the largest that divides its heads."""
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


def check_common(request: PlanRequest) -> None:
    """Nonsense in any part of the request. Raises `PlanInputError` with one sentence."""
    if not request.gpus:
        raise PlanInputError("There is no GPU to plan for.", "Choose at least one.")
    model = model_named(request.model)
    for holds, sentence in (*_tokens(request, model), *_memory(request), *_words(request)):
        if not holds:
            raise PlanInputError(sentence)


def _tokens(request: PlanRequest, model: Model) -> tuple[tuple[bool, str], ...]:
    context = context_of(request, model)
    seqs, batched = request.max_num_seqs, request.max_num_batched_tokens
    return (
        (context >= 1, f"A context of {context} tokens makes no sense."),
        (context <= model.max_context, f"The context can be {model.max_context:,} tokens at most."),
        (seqs is None or seqs >= 1, f"{seqs} sequences at once make no sense."),
        (batched is None or batched >= 1, f"{batched} batched tokens make no sense."),
        (request.users is None or request.users >= 1, f"{request.users} users make no sense."),
    )


def _memory(request: PlanRequest) -> tuple[tuple[bool, str], ...]:
    share = request.gpu_memory_utilization
    return (
        (
            share is None or 0 < share <= 1,
            f"A memory utilization of {share:g} makes no sense: it is above 0 and at most 1."
            if share is not None
            else "",
        ),
        (
            all(
                gpu.memory_total_bytes > gpu.memory_reserved_bytes >= 0
                and gpu.memory_used_bytes >= 0
                for gpu in request.gpus
            ),
            "A GPU's memory must be above 0.",
        ),
        (
            request.kv_cache_memory_bytes is None or request.kv_cache_memory_bytes > 0,
            "The KV cache's memory must be above 0.",
        ),
    )


def _words(request: PlanRequest) -> tuple[tuple[bool, str], ...]:
    return (
        (
            request.kv_cache_dtype in KV_DTYPES,
            f"A KV cache of {request.kv_cache_dtype!r} is not known: auto, bfloat16 or fp8.",
        ),
        (
            request.block_size is None or request.block_size in (1, 8, 16, 32, 64, 128, 256),
            f"A block of {request.block_size} tokens is not known: 8, 16, 32, 64, 128 or 256.",
        ),
        (
            request.checkpoint in ("mxfp4", "bf16"),
            f"A checkpoint of {request.checkpoint!r} is not known: mxfp4 or bf16.",
        ),
    )
