"""vLLM's KV cache arithmetic for GPT-OSS, exact for the KV memory it is given.

Source: `v1/core/kv_cache_utils.py` (0.33: `kv_cache_config_builder.py`, `kv_cache_planning.py`).
Two groups of layers (sliding window, full attention) share one pool of blocks.
"""

from __future__ import annotations

from math import ceil

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import GIB, Model
from gptoss_tui.domain.plan.types import KvPlan
from gptoss_tui.domain.plan.versions import Version

BLOCK_TOKENS = 16


def dtype_bytes(kv_cache_dtype: str | None) -> int:
    """Bytes of one element: 1 for fp8, else 2."""
    return 1 if (kv_cache_dtype or "").startswith("fp8") else 2


def block_bytes(model: Model, tensor_parallel: int, kv_cache_dtype: str | None) -> int:
    """One block on one GPU: keys and values of one group's layers. Heads are not split below 1."""
    heads = ceil(model.kv_heads / tensor_parallel)
    page = BLOCK_TOKENS * heads * 2 * model.head_dim * dtype_bytes(kv_cache_dtype)
    return page * (model.layers // 2)


def blocks_per_request(context: int, batched_tokens: int, version: Version, window: int) -> int:
    """Blocks that one request of the whole context takes: full group, window group, and one."""
    charged = window - 1 + batched_tokens * versions.concurrent_batches(version)
    return ceil(context / BLOCK_TOKENS) + ceil(min(charged, context) / BLOCK_TOKENS) + 1


def kv_plan(
    model: Model,
    available_bytes: int,
    *,
    context: int,
    batched_tokens: int,
    tensor_parallel: int,
    kv_cache_dtype: str | None,
    version: Version,
) -> KvPlan:
    """What the engine reports for `available_bytes` of KV memory on each GPU."""
    size = block_bytes(model, tensor_parallel, kv_cache_dtype)
    blocks = max(0, available_bytes) // size
    per_request = blocks_per_request(context, batched_tokens, version, model.window)
    concurrency = blocks / per_request
    if versions.reports_request_tokens(version):
        tokens = int(concurrency * context)
    else:
        tokens = blocks // 2 * BLOCK_TOKENS
    needed = per_request + (1 if versions.has_null_block(version) else 0)
    return KvPlan(
        tokens=tokens,
        max_concurrency=concurrency,
        block_bytes=size,
        blocks=blocks,
        needed_gib_for_one_request=needed * size / GIB,
    )
