"""The engine's arguments for a plan: every figure the plan rests on is said explicitly."""

from __future__ import annotations

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import Model
from gptoss_tui.domain.plan.types import PlanRequest
from gptoss_tui.domain.plan.versions import Version


def command(request: PlanRequest, model: Model, version: Version) -> tuple[str, ...]:
    """The model, then its flags. Planning these flags again gives the same plan."""
    words = [
        model.bf16_name if request.checkpoint == "bf16" else model.name,
        "--max-model-len",
        str(request.max_model_len),
        "--max-num-seqs",
        str(request.max_num_seqs),
        "--max-num-batched-tokens",
        str(request.max_num_batched_tokens),
        "--gpu-memory-utilization",
        repr(request.gpu_memory_utilization),
    ]
    if request.tensor_parallel_size and request.tensor_parallel_size > 1:
        words += ["--tensor-parallel-size", str(request.tensor_parallel_size)]
    if request.kv_cache_dtype and request.kv_cache_dtype != "auto":
        words += ["--kv-cache-dtype", request.kv_cache_dtype]
    if request.kv_cache_memory_bytes is not None:
        words += ["--kv-cache-memory-bytes", str(request.kv_cache_memory_bytes)]
    if request.block_size is not None:
        words += ["--block-size", str(request.block_size)]
    if request.async_scheduling is not None:
        words.append(f"--{'' if request.async_scheduling else 'no-'}async-scheduling")
    if request.disable_hybrid_kv_cache_manager:
        words.append("--disable-hybrid-kv-cache-manager")
    if request.enforce_eager:
        words.append("--enforce-eager")
    if versions.has_shutdown_timeout(version):
        # Without it a stop aborts running requests; Docker's own grace is longer than this.
        words += ["--shutdown-timeout", "60"]
    if version >= (0, 10, 2):
        words += ["--tool-call-parser", "openai", "--enable-auto-tool-choice"]
    return tuple(words)
