"""The flags a careful operator would choose, where the request leaves them open."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import msgspec

from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.settle import DEFAULT_USERS, seqs_for, settle
from gptoss_tui.domain.plan.types import Plan, PlanRequest
from gptoss_tui.domain.plan.vllm import with_context

_RANK = {"fits": 0, "tight": 1, "does_not_fit": 2, "unsupported": 3}
# Smaller batches cost prefill speed, a fuller card costs safety: so in this order.
_UTILIZATIONS = (None, 0.94, 0.95)
_BATCHES = (4096, 2048, 1024)
SEQS_CEILING = 256


def recommend(request: PlanRequest) -> Plan:
    """The first arrangement that fits, else the best there is. Raises `PlanInputError`.

    Only what the request leaves at None is chosen. `max_num_seqs` follows the number of users.
    """
    if request.engine != "vllm":
        return plan(request)
    request = with_context(_with_seqs(request))
    best: Plan | None = None
    for utilization, batch in product(
        _UTILIZATIONS if request.gpu_memory_utilization is None else (None,),
        _batches(request),
    ):
        candidate = plan(_with(request, utilization, batch))
        if best is None or _better(candidate, best):
            best = candidate
        if best.verdict == "fits":
            break
    assert best is not None
    return best


def _better(candidate: Plan, best: Plan) -> bool:
    """Where neither fits, the one that holds more says how many would."""
    if candidate.verdict == best.verdict == "does_not_fit":
        return candidate.kv_cache.max_concurrency > best.kv_cache.max_concurrency
    return _RANK[candidate.verdict] < _RANK[best.verdict]


def _with_seqs(request: PlanRequest) -> PlanRequest:
    """The sequences written out: twice the users, within the engine's default unless there are more."""
    settings = settle(request)
    if request.max_num_seqs is not None:
        return request
    wanted = seqs_for(request.users or DEFAULT_USERS)
    seqs = max(request.users or 1, min(wanted, SEQS_CEILING, settings.seqs))
    return msgspec.structs.replace(request, max_num_seqs=seqs)


def _batches(request: PlanRequest) -> Iterator[int | None]:
    """The engine's own batch (None) and smaller ones; none of them below the sequences."""
    if request.max_num_batched_tokens is not None:
        yield None
        return
    seqs, default = request.max_num_seqs or 1, settle(request).batched
    if default < seqs:
        yield 1 << (seqs - 1).bit_length()
        return
    yield None
    yield from (batch for batch in _BATCHES if seqs <= batch < default)


def _with(request: PlanRequest, utilization: float | None, batch: int | None) -> PlanRequest:
    changes: dict[str, float | int] = {}
    if utilization is not None:
        changes["gpu_memory_utilization"] = utilization
    if batch is not None:
        changes["max_num_batched_tokens"] = batch
    return msgspec.structs.replace(request, **changes) if changes else request
