"""vLLM's KV cache arithmetic for GPT-OSS, exact for the KV memory it is given.

Source: `v1/core/kv_cache_utils.py` (0.33: `kv_cache_config_builder.py`, `kv_cache_planning.py`).
Two groups of layers (sliding window, full attention) share one pool of blocks. A test compares
every figure with vLLM's own functions.
"""

from __future__ import annotations

from math import ceil

import msgspec

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import GIB, Model
from gptoss_tui.domain.plan.types import KvPlan
from gptoss_tui.domain.plan.versions import Version

BLOCK_TOKENS = 16


class KvSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the pool goes by. `block_tokens` 16 on CUDA unless set (64 on XPU); `async_scheduling`
    None for the version's default; `hybrid` False with --disable-hybrid-kv-cache-manager.
    """

    model: Model
    version: Version
    context: int
    batched_tokens: int
    tensor_parallel: int = 1
    kv_cache_dtype: str | None = None
    block_tokens: int = BLOCK_TOKENS
    async_scheduling: bool | None = None
    hybrid: bool = True


def dtype_bytes(kv_cache_dtype: str | None) -> int:
    """Bytes of one element: 1 for fp8, else 2."""
    return 1 if (kv_cache_dtype or "").startswith("fp8") else 2


def block_bytes(settings: KvSettings) -> int:
    """One block on one GPU: keys and values of one group's layers. Heads are not split below 1."""
    model = settings.model
    heads = ceil(model.kv_heads / settings.tensor_parallel)
    each = dtype_bytes(settings.kv_cache_dtype)
    page = settings.block_tokens * heads * 2 * model.head_dim * each
    return page * (model.layers // 2 if settings.hybrid else model.layers)


def blocks_per_request(settings: KvSettings, context: int | None = None) -> int:
    """Blocks that one request of `context` tokens (None: the whole) takes.

    With two groups: the full one, the window one, and one more as a window may begin within a block.
    """
    context = settings.context if context is None else context
    full = ceil(context / settings.block_tokens)
    if not settings.hybrid:
        return full
    batches = versions.concurrent_batches(settings.version, settings.async_scheduling)
    charged = settings.model.window - 1 + settings.batched_tokens * batches
    return full + ceil(min(charged, context) / settings.block_tokens) + 1


def kv_plan(settings: KvSettings, available_bytes: int) -> KvPlan:
    """What the engine reports for `available_bytes` of KV memory on each GPU."""
    size = block_bytes(settings)
    blocks = max(0, available_bytes) // size
    per_request = blocks_per_request(settings)
    concurrency = blocks / per_request
    if versions.reports_request_tokens(settings.version):
        tokens = int(concurrency * settings.context)
    else:
        tokens = blocks // (2 if settings.hybrid else 1) * settings.block_tokens
    return KvPlan(
        tokens=tokens,
        max_concurrency=concurrency,
        block_bytes=size,
        blocks=blocks,
        needed_gib_for_one_request=per_request * size / GIB,
    )


def longest_context(settings: KvSettings, available_bytes: int) -> int:
    """The engine's "estimated maximum model length" in tokens, at most the context; 0 for none."""
    blocks = max(0, available_bytes) // block_bytes(settings) - null_blocks(settings)
    low, high = 0, settings.context
    while low < high:
        middle = (low + high + 1) // 2
        if blocks_per_request(settings, middle) <= blocks:
            low = middle
        else:
            high = middle - 1
    return low


def null_blocks(settings: KvSettings) -> int:
    """Blocks that the start-up check takes off the memory it compares and prints."""
    return 1 if versions.has_null_block(settings.version) else 0
