"""The sentences for nonsense: what no engine could make sense of, whatever the memory."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.types import AUTO_CONTEXT, PlanGpu, PlanRequest
from gptoss_tui.domain.plan.weights import capability
from gptoss_tui.domain.plan.wrong import PlanInputError

GPUS_AT_MOST = 16  # of one box
_BYTES_AT_MOST = 2**43  # 8 TiB of one GPU
_SEQS_AT_MOST, _BATCHED_AT_MOST, _USERS_AT_MOST = 65_536, 2**24, 10_000_000
KV_DTYPES = (None, "auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2")
OLLAMA_KV_DTYPES = (None, "auto", "f16", "q8_0", "q4_0")
DTYPES = (None, "auto", "bfloat16", "float16", "half", "float", "float32")
BLOCKS = (None, 16, 32, 64, 128, 256)  # the attention kernels take multiples of 16

_Checks = Iterator[tuple[bool, str]]


def check_common(request: PlanRequest) -> None:
    """Nonsense in any part of the request, and a release without GPT-OSS. Raises `PlanInputError`."""
    if not request.gpus:
        raise PlanInputError("There is no GPU to plan for.", "Choose at least one.")
    versions.parse(request.engine_version, request.engine)
    wrong = [
        sentence
        for checks in (_tokens, _memory, _words)
        for holds, sentence in checks(request)
        if not holds
    ]
    if wrong:
        raise PlanInputError(" ".join(wrong))
    for gpu in request.gpus:
        _check_gpu(gpu)


def _tokens(request: PlanRequest) -> _Checks:
    longest = model_named(request.model).max_context
    context, users = request.max_model_len, request.users
    seqs, batched = request.max_num_seqs, request.max_num_batched_tokens
    auto = context == AUTO_CONTEXT and request.engine == "vllm"
    if context is not None and not auto:
        yield context >= 1, f"A context of {context} tokens makes no sense."
        yield context <= longest, f"The context can be {longest:,} tokens at most."
    parallel = request.tensor_parallel_size
    yield (
        parallel in (None, 1, 2, 4, 8),
        f"{parallel} GPUs cannot share this model: tensor parallel takes 1, 2, 4 or 8.",
    )
    if seqs is not None:
        yield 1 <= seqs <= _SEQS_AT_MOST, f"{seqs} sequences at once make no sense."
    if batched is not None:
        yield 1 <= batched <= _BATCHED_AT_MOST, f"{batched} batched tokens make no sense."
    if users is not None:
        yield 1 <= users <= _USERS_AT_MOST, f"{users} users make no sense."


def _memory(request: PlanRequest) -> _Checks:
    share, cache = request.gpu_memory_utilization, request.kv_cache_memory_bytes
    if share is not None:
        yield (
            0 < share <= 1,
            f"A memory utilization of {share:g} makes no sense: it is above 0 and at most 1.",
        )
    if cache is not None:
        yield cache > 0, "The KV cache's memory must be above 0."
        yield cache <= _BYTES_AT_MOST, f"A KV cache of {cache} bytes makes no sense."
    yield (
        len(request.gpus) <= GPUS_AT_MOST,
        f"{len(request.gpus)} GPUs make no sense: a box has {GPUS_AT_MOST} at most.",
    )


def _words(request: PlanRequest) -> _Checks:
    caches = OLLAMA_KV_DTYPES if request.engine == "ollama" else KV_DTYPES
    known = ", ".join(str(name) for name in caches if name)
    yield (
        request.kv_cache_dtype in caches,
        f"A KV cache of {request.kv_cache_dtype!r} is not known: {known}.",
    )
    yield (
        request.block_size in BLOCKS,
        f"A block of {request.block_size} tokens is not known: 16, 32, 64, 128 or 256.",
    )
    yield (
        request.checkpoint in ("mxfp4", "bf16"),
        f"A checkpoint of {request.checkpoint!r} is not known: mxfp4 or bf16.",
    )
    yield request.dtype in DTYPES, f"{request.dtype!r} is no type: auto, bfloat16 or float16."
    yield (
        request.installed_by in ("image", "pip"),
        f"{request.installed_by!r} is no way to install vLLM: image or pip.",
    )


def _check_gpu(gpu: PlanGpu) -> None:
    if not gpu.memory_total_bytes > gpu.memory_reserved_bytes >= 0 or gpu.memory_used_bytes < 0:
        raise PlanInputError("A GPU's memory must be above 0.")
    if gpu.memory_total_bytes > _BYTES_AT_MOST:
        raise PlanInputError(f"A GPU of {gpu.memory_total_bytes / 2**30:,.0f} GiB makes no sense.")


def checked_capability(text: str) -> str:
    """A compute capability as the user gives it, such as "9.0". Raises `PlanInputError`."""
    found = capability(text)
    if found is None or not (1 <= found[0] <= 20 and 0 <= found[1] <= 9):
        raise PlanInputError(f"{text!r} is no compute capability.", "Write it as 9.0.")
    return text


def checked_amount(flag: str, value: float | None) -> float | None:
    """A figure of money or tokens above 0, never NaN or infinite. Raises `PlanInputError`."""
    if value is not None and not (isfinite(value) and value > 0):
        raise PlanInputError(f"{flag} {value:g} makes no sense.")
    return value
