"""A plan for Ollama: context times parallel slots, and what goes to the CPU when it is too large.

Source: 0.13.3 as it ran on one and two H100s of 80 GB, driver 580 (`tests/unit/test_plan_ollama.py`
has the runs), and its code: kvcache/causal.go, llm/server.go, server/routes.go. A published run on an
RTX 5090 agrees. From 0.30 on Ollama runs llama.cpp's server, which needs less cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import msgspec

from gptoss_tui.domain.plan import disk, versions
from gptoss_tui.domain.plan.checks import check_common
from gptoss_tui.domain.plan.models import GIB, Model, model_named
from gptoss_tui.domain.plan.settle import context_of
from gptoss_tui.domain.plan.types import Basis, KvPlan, MemoryPlan, Plan, PlanRequest, Verdict

_MIB = 1024**2
# CUDA context, kernels and workspaces of one card: 679 to 801 MiB.
CONTEXT_GIB = 0.75
_BAND_GIB = 0.5  # of each card
# Bytes of one cached number (OLLAMA_KV_CACHE_TYPE): 32 numbers of q8_0 take 34 bytes, of q4_0 18.
_CACHE = {"q8_0": 34 / 32, "q4_0": 18 / 32}
_F16 = 2.0
_WINDOW_TOKENS, _BATCH_TOKENS = 4096, 512  # kept by the window layers: a slot, and once besides
_STEP_TOKENS = 256  # a cache is rounded up to these
# The graph beside its masks, on the first card and on each further one, and the least it takes.
_GRAPH_MIB, _FURTHER_GRAPH_MIB, _LEAST_GRAPH_MIB = 64, 116, 147
# The mask of a batch over all slots, four bytes a token, must stay below 2 GiB: "cpy.cu:396:
# GGML_ASSERT(ggml_nbytes(src0) <= INT_MAX) failed".
_MOST_TOKENS = 2**31 // (4 * _BATCH_TOKENS) - _STEP_TOKENS
# From this much memory on no slot gets less than that many tokens.
_ROOMY_GIB, _LEAST_TOKENS = 20, 8192
_LLAMA_SERVER = (0, 30, 0)


class Load(NamedTuple):
    """What is to be loaded: slots of so many tokens each. All sizes are in GiB, over all cards."""

    model: Model
    context: int
    slots: int
    kv_cache_dtype: str | None

    @property
    def tokens(self) -> int:
        """What the full-attention layers keep, over all slots."""
        return ceil(self.slots * self.context / _STEP_TOKENS) * _STEP_TOKENS

    @property
    def window_tokens(self) -> int:
        if self.context <= _WINDOW_TOKENS:
            return self.tokens
        return self.slots * _WINDOW_TOKENS + _BATCH_TOKENS

    @property
    def cache_gib(self) -> float:
        tokens = self.tokens + self.window_tokens
        return tokens * token_bytes(self.model, self.kv_cache_dtype) / GIB

    @property
    def largest_layer_gib(self) -> float:
        """The output matrix, or a layer with full attention: its weights and its cache."""
        output = self.model.vocabulary * self.model.hidden * 2 / GIB
        cache = self.tokens * token_bytes(self.model, self.kv_cache_dtype) / GIB
        return max(output, (weights_gib(self.model) - output + 2 * cache) / self.model.layers)

    def fixed_gib(self, cards: int) -> float:
        """What is neither weights nor cache: of each card its context and its graph.

        The first card has the masks of a batch in four and in two bytes, the others in two alone.
        A cache that is not f16 is unpacked for one layer at a time.
        """
        mask = 2 * _BATCH_TOKENS * (self.tokens + self.window_tokens)
        first = max(3 * mask + _GRAPH_MIB * _MIB, _LEAST_GRAPH_MIB * _MIB)
        further = (cards - 1) * (mask + _FURTHER_GRAPH_MIB * _MIB)
        layer = 2 * self.model.kv_heads * self.model.head_dim * 2 * self.tokens
        unpacked = cards * layer if self.kv_cache_dtype in _CACHE else 0
        return cards * CONTEXT_GIB + (first + further + unpacked) / GIB

    def left_gib(self, free: Sequence[float]) -> float:
        """What these cards have left for the cache; below zero where they hold less than the rest."""
        return sum(free) - weights_gib(self.model) - self.fixed_gib(len(free))

    def band_gib(self, cards: int) -> float:
        """No layer is split, so that each further card may waste nearly one."""
        return cards * _BAND_GIB + (cards - 1) * self.largest_layer_gib

    def cards(self, free: Sequence[float]) -> int:
        """How many of these cards it takes: as few as hold it, or else what leaves most room."""
        counts = range(1, len(free) + 1)
        for cards in counts:
            if self.left_gib(free[:cards]) - self.cache_gib >= self.band_gib(cards):
                return cards
        return max(counts, key=lambda cards: self.left_gib(free[:cards]))

    def most_slots(self, free: Sequence[float]) -> float:
        """Slots of this context that the cards hold: each takes the same, beside what all share."""
        one, two = (self._replace(slots=_STEP_TOKENS * times) for times in (1, 2))
        most = 0.0
        for cards in range(1, len(free) + 1):
            left = one.left_gib(free[:cards]) - one.cache_gib
            each = (left - two.left_gib(free[:cards]) + two.cache_gib) / _STEP_TOKENS
            most = max(most, one.slots + left / each)
        return most


def plan_ollama(request: PlanRequest) -> Plan:
    """Whether it stays on the GPUs. Ollama splits layers over them by itself."""
    check_common(request)
    version = versions.number(request.engine_version, "Ollama")
    model = model_named(request.model)
    own = version < _LLAMA_SERVER
    context, slots = context_of(request, model), request.users or 1
    total = sum(gpu.memory_total_bytes - gpu.memory_reserved_bytes for gpu in request.gpus) / GIB
    used = sum(gpu.memory_used_bytes for gpu in request.gpus) / GIB
    memory = sum(gpu.memory_total_bytes for gpu in request.gpus)
    served = served_context(context, memory) if own else context
    load = Load(model, served, slots, request.kv_cache_dtype)
    free = _free(request)
    cards = load.cards(free)
    most = load.most_slots(free)
    most = min(most, _MOST_TOKENS / served) if own else most
    verdict, reason = _verdict(request, load, free[:cards], own)
    filled = msgspec.structs.replace(
        request, max_model_len=context, tensor_parallel_size=1, users=slots
    )
    return Plan(
        verdict=verdict,
        reason=reason,
        request=filled,
        tensor_parallel_size=1,
        memory_gib=MemoryPlan(
            device_total=total,
            used_by_others=used,
            budget=total - used,
            weights=weights_gib(model),
            activation=None,
            non_torch=load.fixed_gib(cards),
            cuda_graphs=None,
            kv_cache=load.cache_gib,
            outside_budget=0.0,
        ),
        kv_cache=KvPlan(
            tokens=slots * served,
            max_concurrency=most,
            block_bytes=int(token_bytes(model, request.kv_cache_dtype)),
            blocks=slots * served,
            needed_gib_for_one_request=slot_gib(model, served, request.kv_cache_dtype),
        ),
        fits_requests=int(most) if verdict in ("fits", "tight") else 0,
        basis=_basis(own),
        band_gib=load.band_gib(cards),
        command=(f"gpt-oss:{model.key}",),
        warnings=(*_warnings(load, context, cards, len(free)), *disk.warnings(request)),
        download_bytes=disk.download_bytes(request),
        image_download_bytes=disk.image_download_bytes(request),
        disk_bytes=disk.disk_bytes(request),
    )


def token_bytes(model: Model, kv_cache_dtype: str | None) -> float:
    """Bytes of one token in half of the layers, be it the full-attention or the window ones."""
    each = _CACHE.get(kv_cache_dtype or "", _F16)
    return model.layers / 2 * 2 * model.kv_heads * model.head_dim * each


def slot_gib(model: Model, context: int, kv_cache_dtype: str | None) -> float:
    """The cache of one slot: its context, and what the window layers keep."""
    return (context + min(context, _WINDOW_TOKENS)) * token_bytes(model, kv_cache_dtype) / GIB


def weights_gib(model: Model) -> float:
    """The input embedding stays in the host's memory; routers and experts' biases become F32."""
    widened = model.layers * model.experts * (2 * model.intermediate + 2 * model.hidden) * 2
    return (model.checkpoint_bytes + widened - model.vocabulary * model.hidden * 2) / GIB


def served_context(context: int, memory_bytes: int) -> int:
    """Tokens that a slot gets on cards of so much memory together (server/routes.go: `lowVRAM`)."""
    return max(context, _LEAST_TOKENS) if memory_bytes >= _ROOMY_GIB * GIB else context


def _free(request: PlanRequest) -> list[float]:
    """GiB of each card, in the order in which Ollama takes them: the emptiest first."""
    return sorted(
        (
            (gpu.memory_total_bytes - gpu.memory_reserved_bytes - gpu.memory_used_bytes) / GIB
            for gpu in request.gpus
        ),
        reverse=True,
    )


def _verdict(
    request: PlanRequest, load: Load, free: Sequence[float], own: bool
) -> tuple[Verdict, str]:
    left, needed, band = load.left_gib(free), load.cache_gib, load.band_gib(len(free))
    slots = f"{_slots(load.slots)} of {load.context:,} tokens"
    if request.checkpoint == "bf16":
        return "unsupported", "Ollama's gpt-oss is MXFP4; it has no BF16 checkpoint of it."
    if own and load.tokens > _MOST_TOKENS:
        return "does_not_fit", (
            f"{slots} are {load.slots * load.context:,} in all: with more than "
            f"{_MOST_TOKENS:,} Ollama's runner crashes while it loads."
        )
    if left < needed:
        return "does_not_fit", (
            f"{slots} take {needed:.1f} GiB of cache, and "
            f"{max(0.0, left):.1f} GiB are left: Ollama moves layers to the CPU, and it gets slow."
        )
    if left - needed < band:
        return "tight", (
            f"It fits by {left - needed:.1f} GiB, and the estimate may be off by {band:.1f} GiB."
        )
    return "fits", f"{slots}: {needed:.1f} of {left:.1f} GiB of cache."


def _warnings(load: Load, context: int, cards: int, gpus: int) -> list[str]:
    told = [
        f"It is started with OLLAMA_NUM_PARALLEL={load.slots} and OLLAMA_CONTEXT_LENGTH={context}: "
        "further requests wait."
    ]
    if load.context > context:
        told.append(f"On {_ROOMY_GIB} GiB and more Ollama gives a slot {load.context:,} tokens.")
    if cards < gpus:
        told.append(f"Of the {gpus} GPUs {cards} {'is' if cards == 1 else 'are'} used: "
                    "Ollama takes as few as hold the model.")  # fmt: skip
    if cards > 1:
        told.append("Memory is that of all GPUs together: Ollama spreads the layers.")
    return told


def _slots(slots: int) -> str:
    return "One slot" if slots == 1 else f"{slots} slots"


def _basis(own: bool) -> dict[str, Basis]:
    measured: Basis = "measured" if own else "estimated"
    return {
        "budget": "estimated",
        "weights": measured,
        "non_torch": "estimated",
        "kv_cache": measured,
        "kv_tokens_for_that_memory": measured,
    }
