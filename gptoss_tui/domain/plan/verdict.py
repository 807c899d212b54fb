"""Go or no-go for vLLM, from the figures and the band around them, each with its sentence."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan import compat
from gptoss_tui.domain.plan.device import is_unified
from gptoss_tui.domain.plan.kv import KvSettings, longest_context, null_blocks
from gptoss_tui.domain.plan.models import GIB
from gptoss_tui.domain.plan.settle import (
    OWN_CONTEXT_AT_MOST_GIB,
    OWN_CONTEXT_GIB,
    Settings,
    visible_bytes,
)
from gptoss_tui.domain.plan.types import KvPlan, MemoryPlan, PlanRequest, Verdict

# Starts with less than this beside all that is needed are called tight.
_SAFE_GIB = 0.25
# What lacks no more than this may start all the same.
_NEAR_GIB = 0.25

Judged = tuple[Verdict, str]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged: the filled request, its settings, and all that was computed from them."""

    request: PlanRequest
    settings: Settings
    memory: MemoryPlan
    pool: KvSettings
    kv: KvPlan
    band: float

    @property
    def usable_gib(self) -> float:
        """What the start-up check compares: from 0.29 without one block."""
        return self.memory.kv_cache - null_blocks(self.pool) * self.kv.block_bytes / GIB


def judge(figures: Figures) -> Judged:
    """The verdict and its reason, the hardest obstacle first."""
    refused = compat.refusal(figures.request, figures.settings.version)
    if refused is not None:
        return "unsupported", refused
    return (
        _start(figures)
        or _room(figures)
        or _users(figures)
        or _margins(figures)
        or ("fits", _fitting(figures))
    )


def _free_gib(figures: Figures) -> list[tuple[float, float, float]]:
    """Of every GPU: `(free, requested by vLLM's check, budget)`."""
    found = []
    for gpu in figures.settings.gpus:
        requested = figures.settings.requested_bytes(gpu) / GIB
        given = figures.request.kv_cache_memory_bytes is not None
        budget = figures.memory.budget if given else requested
        found.append(((visible_bytes(gpu) - gpu.memory_used_bytes) / GIB, requested, budget))
    return found


def _start(figures: Figures) -> Judged | None:
    """vLLM's first check, on every GPU: is as much free as the utilization asks for?

    It is made with --kv-cache-memory-bytes too, which leaves the utilization aside only later.
    """
    for free, requested, budget in _free_gib(figures):
        if free - OWN_CONTEXT_GIB < requested:
            return "does_not_fit", (
                f"{max(0.0, free - OWN_CONTEXT_GIB):.1f} GiB of the GPU are free when vLLM looks, "
                f"and --gpu-memory-utilization asks for {requested:.1f} GiB: it refuses to start."
            )
        if free < budget:
            return "does_not_fit", (
                f"Only {free:.1f} GiB of the GPU are free, and {budget:.1f} GiB are needed: it "
                "runs out of memory."
            )
    return None


def _room(figures: Figures) -> Judged | None:
    """Is there a KV cache, and does one request fit in it?"""
    memory, needed = figures.memory, figures.kv.needed_gib_for_one_request
    if memory.kv_cache <= 0:
        return "does_not_fit", (
            f"Weights, activation and the rest need {memory.budget - memory.kv_cache:.1f} GiB; "
            f"the budget is {memory.budget:.1f} GiB."
        )
    usable, context = figures.usable_gib, figures.settings.context
    if usable >= needed:
        return None
    given = figures.request.kv_cache_memory_bytes is not None
    near = 0.0 if given else min(figures.band, _NEAR_GIB)
    if needed <= usable + near and figures.request.users in (None, 1):
        return "tight", (
            f"One request of {context:,} tokens needs {needed:.2f} GiB of KV cache, and "
            f"about {usable:.2f} GiB are left: it may start or not. A smaller "
            "--max-model-len is safe."
        )
    longest = longest_context(figures.pool, int(memory.kv_cache * GIB))
    return "does_not_fit", (
        f"One request of {context:,} tokens needs {needed:.2f} GiB of KV cache, and "
        f"{usable:.2f} GiB are left; the longest context that fits is {longest:,}."
    )


def _users(figures: Figures) -> Judged | None:
    users, most = figures.request.users, figures.kv.max_concurrency
    if users is None or most >= users:
        return None
    return "does_not_fit", (
        f"{users:,} users with {figures.settings.context:,} tokens each do not fit at once: "
        f"with these flags {int(most):,} do."
    )


def _margins(figures: Figures) -> Judged | None:
    """It fits by the figures; does it by the band around them?"""
    memory, request = figures.memory, figures.request
    rooms = _free_gib(figures)
    if any(free - OWN_CONTEXT_AT_MOST_GIB < requested for free, requested, _ in rooms):
        return "tight", (
            "vLLM's own CUDA context may leave less free than --gpu-memory-utilization asks for: "
            "a lower one is safe."
        )
    rest = min(free - budget for free, _, budget in rooms) - memory.outside_budget
    if rest < _SAFE_GIB:
        return "tight", (
            f"Start-up needs about {memory.outside_budget:.1f} GiB outside the budget, and "
            f"{rest + memory.outside_budget:.1f} GiB are: lower --gpu-memory-utilization or "
            "--max-num-seqs."
        )
    if figures.settings.model.key == "120b" and is_unified(figures.settings.gpus[0].name):
        return "tight", (
            "The GPU shares the host's memory, and repacking the weights takes of it too: a start "
            "of 120b was seen to exhaust the host."
        )
    if request.kv_cache_memory_bytes is not None:
        return None
    spare = figures.usable_gib - figures.kv.needed_gib_for_one_request * max(1, request.users or 1)
    if spare < figures.band:
        return "tight", (
            f"It fits by {max(0.0, spare):.1f} GiB, and the estimate may be off by {figures.band:g} "
            "GiB: a smaller --max-model-len or --max-num-batched-tokens is safer."
        )
    return None


def held(concurrency: float) -> str:
    """How many whole requests a KV cache holds, in words."""
    return "one request" if int(concurrency) == 1 else f"{int(concurrency):,} requests"


def _fitting(figures: Figures) -> str:
    return (
        f"{figures.memory.kv_cache:.1f} GiB of KV cache per GPU hold "
        f"{held(figures.kv.max_concurrency)} of {figures.settings.context:,} tokens at once."
    )
