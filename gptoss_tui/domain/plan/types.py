"""What the planner takes and gives. Unknown is None."""

from __future__ import annotations

from typing import Literal

import msgspec

from gptoss_tui.errors import UsageError

DEFAULT_VLLM_VERSION = "0.32.0"

Verdict = Literal["fits", "tight", "does_not_fit", "unsupported"]
Basis = Literal["exact", "measured", "estimated"]


class PlanInputError(UsageError):
    """A request that makes no sense, in one sentence."""

    code = "plan_input"


class PlanGpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU as the box reports it. `memory_used_bytes` is held by others before the launch."""

    name: str
    memory_total_bytes: int
    compute_capability: str | None = None
    memory_used_bytes: int = 0
    index: int = 0
    uuid: str | None = None


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be served on which GPUs. None leaves a value to the engine's own default.

    `max_model_len` in tokens; `users` simultaneous requests at that context;
    `gpu_memory_utilization` 0.0 to 1.0.
    """

    model: str
    gpus: tuple[PlanGpu, ...]
    engine: str = "vllm"
    engine_version: str = DEFAULT_VLLM_VERSION
    tensor_parallel_size: int | None = None
    max_model_len: int | None = None
    users: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_dtype: str | None = None
    kv_cache_memory_bytes: int | None = None
    enforce_eager: bool = False


class MemoryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """GiB on each GPU. `budget` is what the engine may use; `outside_budget` comes on top of it."""

    device_total: float
    used_by_others: float
    budget: float
    weights: float
    activation: float
    non_torch: float
    cuda_graphs: float
    kv_cache: float
    outside_budget: float


class KvPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The KV cache over all GPUs, as the engine reports it.

    `tokens` is "GPU KV cache size", `max_concurrency` "Maximum concurrency" at the context;
    `block_bytes` is of one block on one GPU.
    """

    tokens: int
    max_concurrency: float
    block_bytes: int
    blocks: int
    needed_gib_for_one_request: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its figures. `command` is the engine's arguments, the model first.

    `band_gib` is how far the measured parts may be off; `basis` says of each part whether it is
    exact, measured or estimated. `fits_requests` is the largest number of simultaneous requests
    at full context.
    """

    verdict: Verdict
    reason: str
    request: PlanRequest
    tensor_parallel_size: int
    memory_gib: MemoryPlan
    kv_cache: KvPlan
    fits_requests: int
    basis: dict[str, Basis]
    band_gib: float
    command: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    download_bytes: int
    disk_bytes: int
