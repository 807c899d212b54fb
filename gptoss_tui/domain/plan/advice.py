"""What to change when it does not fit, or is tight: the nearest things that fit, least change first."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import msgspec

from gptoss_tui.domain.plan.catalogue import card_named
from gptoss_tui.domain.plan.device import gpu_of
from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.search import Arrangement, search
from gptoss_tui.domain.plan.settle import free_bytes, tensor_parallel, visible_bytes
from gptoss_tui.domain.plan.types import (
    AUTO_CONTEXT,
    Alternative,
    Plan,
    PlanGpu,
    PlanRequest,
)

_STEP = 1024  # contexts are proposed in whole multiples of this many tokens
_LEAST_CONTEXT = 2048
_USUAL_SHARE = 0.9  # of the memory; no release's default is lower

Change = tuple[str, tuple[str, ...], PlanRequest]


def alternatives(
    asked: PlanRequest, made: Plan, spare: tuple[PlanGpu, ...] = (), *, box: bool = False
) -> tuple[Alternative, ...]:
    """Requests near `asked` that fit, none when `made` fits by itself.

    `spare` are further GPUs of the same box; for a `box` no other cards are proposed. Every one was
    planned: nothing here is a guess. Its flags are all that differ from `made`.
    """
    if made.verdict == "fits":
        return ()
    found: list[Alternative] = []
    for change, flags, request in _changes(asked, made, spare, box):
        candidate = recommend(request)
        if candidate.verdict == "fits" or (candidate.verdict == "tight" and not made.serves):
            found.append(
                Alternative(
                    change=change,
                    flags=(*flags, *_other_flags(candidate, made, flags)),
                    verdict=candidate.verdict,
                    fits_requests=candidate.fits_requests,
                )
            )
    return tuple(found)


def _other_flags(candidate: Plan, made: Plan, flags: tuple[str, ...]) -> tuple[str, ...]:
    """What the planner would choose differently besides."""
    found: list[str] = []
    for field in ("max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization"):
        flag, value = f"--{field.replace('_', '-')}", getattr(candidate.request, field)
        if flag not in flags and value is not None and value != getattr(made.request, field):
            found += [flag, str(value)]
    return tuple(found)


def _changes(
    asked: PlanRequest, made: Plan, spare: tuple[PlanGpu, ...], box: bool
) -> Iterator[Change]:
    yield from _chosen(asked, made)
    yield from _what_is_free(asked)
    yield from _safer(asked)
    yield from _fewer_users(asked, made)
    yield from _shorter(asked)
    yield from _fp8(asked)
    yield from _other_gpus(asked, spare)
    yield from _more_gpus(asked, spare)
    if not box:
        yield from _more_of_the_same(asked)
    yield from _other_checkpoint(asked)
    if not box:
        yield from _other_cards(asked)


def _chosen(asked: PlanRequest, made: Plan) -> Iterator[Change]:
    """Where the engine's defaults do not fit: the flags that the planner would choose."""
    best = recommend(asked)
    if _other_flags(best, made, ()):
        yield "these flags", (), best.request


def _what_is_free(asked: PlanRequest) -> Iterator[Change]:
    """Where others hold memory: the share that vLLM's first check finds free on every GPU."""
    busy = any(gpu.memory_used_bytes for gpu in asked.gpus)
    if asked.engine != "vllm" or not busy:
        return
    shares = [free_bytes(gpu) / visible_bytes(gpu) for gpu in asked.gpus[: tensor_parallel(asked)]]
    share = int(min(shares) * 100) / 100
    if 0 < share < (asked.gpu_memory_utilization or _USUAL_SHARE):
        flags = ("--gpu-memory-utilization", f"{share:g}")
        yield "only the memory that is free", flags, _with(asked, gpu_memory_utilization=share)


def _safer(asked: PlanRequest) -> Iterator[Change]:
    """Flags that the user gave and that leave too little room: let them be chosen."""
    given = {
        "gpu_memory_utilization": "--gpu-memory-utilization",
        "max_num_seqs": "--max-num-seqs",
        "max_num_batched_tokens": "--max-num-batched-tokens",
        "kv_cache_memory_bytes": "--kv-cache-memory-bytes",
    }
    named = {key: flag for key, flag in given.items() if getattr(asked, key) is not None}
    for key, flag in named.items():
        yield f"leave {flag} to the planner", (), _with(asked, **{key: None})
    if len(named) > 1:
        yield (
            "leave all of the memory flags to the planner",
            (),
            _with(asked, **dict.fromkeys(named)),
        )
    if asked.quantization is not None or asked.dtype is not None:
        yield (
            "leave --quantization and --dtype out",
            (),
            _with(asked, quantization=None, dtype=None),
        )


def _fewer_users(asked: PlanRequest, made: Plan) -> Iterator[Change]:
    most = int(made.kv_cache.max_concurrency)
    if asked.users is not None and 1 <= most < asked.users:
        yield (
            f"{most} user{'s' * (most > 1)} at once",
            ("--users", str(most)),
            _with(asked, users=most),
        )


def _shorter(asked: PlanRequest) -> Iterator[Change]:
    """The largest context that fits, by bisection over whole steps."""
    full = asked.max_model_len or model_named(asked.model).max_context
    if full == AUTO_CONTEXT:
        return
    low, high = _LEAST_CONTEXT // _STEP, (full - 1) // _STEP
    if high < low or not _holds(asked, low * _STEP):
        return
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _holds(asked, middle * _STEP) else (low, middle - 1)
    context = low * _STEP
    yield (
        f"a context of {context:,} tokens",
        ("--max-model-len", str(context)),
        _with(asked, max_model_len=context),
    )


def _holds(asked: PlanRequest, context: int) -> bool:
    return recommend(_with(asked, max_model_len=context)).verdict == "fits"


def _fp8(asked: PlanRequest) -> Iterator[Change]:
    if asked.engine == "vllm" and asked.kv_cache_dtype in (None, "auto", "bfloat16"):
        yield (
            "a KV cache in fp8, of half the size",
            ("--kv-cache-dtype", "fp8"),
            _with(asked, kv_cache_dtype="fp8"),
        )


def _other_gpus(asked: PlanRequest, spare: tuple[PlanGpu, ...]) -> Iterator[Change]:
    """As many free ones of the box, where somebody is on those that were named."""
    size = len(asked.gpus)
    if any(gpu.memory_used_bytes for gpu in asked.gpus) and len(spare) >= size:
        ids = ",".join(str(gpu.index) for gpu in spare[:size])
        yield f"GPU {ids}", ("--gpu-ids", ids), _with(asked, gpus=spare[:size])


def _more_gpus(asked: PlanRequest, spare: tuple[PlanGpu, ...]) -> Iterator[Change]:
    every = (*asked.gpus, *spare)
    for size in (2, 4, 8):
        if len(asked.gpus) < size <= len(every):
            request = _with(asked, gpus=every[:size], tensor_parallel_size=size)
            ids = ",".join(str(gpu.index) for gpu in every[:size])
            yield f"{size} GPUs", ("--gpu-ids", ids), request


def _other_checkpoint(asked: PlanRequest) -> Iterator[Change]:
    if asked.checkpoint == "bf16":
        flags = ("--checkpoint", "mxfp4")
        yield "the native MXFP4 checkpoint", flags, _with(asked, checkpoint="mxfp4")
    if model_named(asked.model).key == "120b":
        yield "gpt-oss-20b", ("--model", "20b"), _with(asked, model="20b")


def _more_of_the_same(asked: PlanRequest) -> Iterator[Change]:
    """More of the named card."""
    card = card_named(asked.gpus[0].name)
    if card is not None:
        yield from _arranged(asked, search(asked, among=[card], limit=1))


def _other_cards(asked: PlanRequest) -> Iterator[Change]:
    """The cheapest arrangement of the catalogue that holds the users at this context."""
    yield from _arranged(asked, search(asked, limit=1))


def _arranged(asked: PlanRequest, found: tuple[Arrangement, ...]) -> Iterator[Change]:
    for made in found:
        card = card_named(made.gpu)
        assert card is not None
        request = _with(
            asked,
            gpus=tuple(gpu_of(card, index) for index in range(made.gpus // made.replicas)),
            tensor_parallel_size=made.tensor_parallel_size,
            users=ceil((asked.users or 1) / made.replicas),
        )
        each = f", {made.replicas} servers" if made.replicas > 1 else ""
        flags = ("--gpu", made.gpu, "--gpus", str(made.gpus // made.replicas))
        yield f"{made.gpus} x {made.gpu}{each}", flags, request


def _with(request: PlanRequest, **changes: object) -> PlanRequest:
    return msgspec.structs.replace(request, **changes)
