"""What the planner takes and gives. Unknown is None."""

from __future__ import annotations

from typing import Literal

import msgspec

from gptoss_tui.domain.plan.cost import Cost
from gptoss_tui.domain.plan.speed import Throughput

DEFAULT_VLLM_VERSION = "0.32.0"
DEFAULT_VERSIONS = {"vllm": DEFAULT_VLLM_VERSION, "sglang": "0.5.23", "ollama": "0.13.3"}

Verdict = Literal["fits", "tight", "does_not_fit", "unsupported"]
Checkpoint = Literal["mxfp4", "bf16"]
Basis = Literal["exact", "measured", "estimated"]
InstalledBy = Literal["image", "pip"]
AUTO_CONTEXT = -1  # vLLM's `--max-model-len -1`: the longest context that fits


class PlanGpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU as the box reports it. `memory_used_bytes` is held by others before the launch;
    `memory_reserved_bytes` is what the driver keeps for itself, which CUDA does not see, and
    `reserved_guessed` says that nobody has told it.
    """

    name: str
    memory_total_bytes: int
    memory_reserved_bytes: int = 0
    reserved_guessed: bool = False
    compute_capability: str | None = None
    memory_used_bytes: int = 0
    index: int = 0
    uuid: str | None = None


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be served on which GPUs. None leaves a value to the engine's own default.

    `max_model_len` in tokens, -1 for the longest that fits; `users` simultaneous requests at that
    context; `gpu_memory_utilization` 0.0 to 1.0. `installed_by` "pip" is for a vLLM outside of its
    official image, which up to 0.11.0 lacks FlashInfer. `checkpoint` "bf16" is a third party's,
    with all weights in BF16. `quantization` and `dtype` are what the user wants to pass to the
    engine: the plan says what they do. `corrections` are GiB of KV cache by
    `predict.correction_key`, as this box has shown them in earlier launches; `speeds` are by the
    same key the most tokens/s it has been seen to generate, and the requests that ran then;
    `cached_bytes` of the
    checkpoint are on its disk already, `image_there` says that the engine's image is,
    `disk_free_bytes` how much room is left for weights, and `image_disk_free_bytes` for images
    where these are on another disk.
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
    block_size: int | None = None
    async_scheduling: bool | None = None
    disable_hybrid_kv_cache_manager: bool = False
    installed_by: InstalledBy = "image"
    checkpoint: Checkpoint = "mxfp4"
    quantization: str | None = None
    dtype: str | None = None
    corrections: tuple[tuple[str, float], ...] = ()
    speeds: tuple[tuple[str, float, float], ...] = ()
    cached_bytes: int = 0
    image_there: bool = False
    disk_free_bytes: int | None = None
    image_disk_free_bytes: int | None = None


class MemoryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """GiB on each GPU. `budget` is what the engine may use; `outside_budget` comes on top of it.

    None is a share that the plan of this engine does not tell apart from the others.
    """

    device_total: float
    used_by_others: float
    budget: float
    weights: float
    activation: float | None
    non_torch: float | None
    cuda_graphs: float | None
    kv_cache: float
    outside_budget: float

    @property
    def buffers(self) -> float:
        """All of the budget that is neither weights nor cache, as far as it is told apart."""
        return sum(part or 0.0 for part in (self.activation, self.non_torch, self.cuda_graphs))


class KvPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The KV cache over all GPUs, as the engine reports it.

    `tokens` is "GPU KV cache size", `max_concurrency` "Maximum concurrency" at the context;
    `block_bytes` is of one block on one GPU. `needed_gib_for_one_request` is what vLLM prints in
    its error; from 0.29 it wants one block more than that.
    """

    tokens: int
    max_concurrency: float
    block_bytes: int
    blocks: int
    needed_gib_for_one_request: float


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """Something near that fits. `change` in words, `flags` as the words of `gptoss-tui plan`."""

    change: str
    flags: tuple[str, ...]
    verdict: Verdict
    fits_requests: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its figures. `command` is the engine's arguments, the model first.

    `band_gib` is how far the measured parts may be off; `basis` says of each part whether it is
    exact, measured or estimated. `fits_requests` is the largest number of simultaneous requests
    at full context. `download_bytes` are of the checkpoint and `image_download_bytes` of the image
    (compressed; None where it is not known); `disk_bytes` is the room for both, unpacked.
    `throughput`, `cost` and `alternatives` are filled in by `complete`.
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
    image_download_bytes: int | None = None
    disk_bytes: int
    throughput: Throughput | None = None
    cost: Cost | None = None
    alternatives: tuple[Alternative, ...] = ()

    @property
    def serves(self) -> bool:
        """Whether a server started by it would come up: where not, nothing is launched."""
        return self.verdict in ("fits", "tight")

    @property
    def gpus_used(self) -> int:
        """How many GPUs the server takes: Ollama spreads over all that it was given."""
        if self.request.engine == "ollama":
            return len(self.request.gpus)
        return self.tensor_parallel_size
