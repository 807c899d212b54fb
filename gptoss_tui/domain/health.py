"""Figures in words: the guide's thresholds, and what to do about them.

The guide says: a queue that stays above 0 under normal load wants more capacity, a KV cache above
90 % wants fewer tokens or more instances. (Its advice to lower --max-model-len is checked against
vLLM: the pool does not grow by that; see docs/guide.md.)
"""

from __future__ import annotations

from collections.abc import Mapping

from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.history import Series
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.serving import EngineSnapshot

LASTING_S = 30.0
KV_FULL = 0.90
HOT_C = 85.0
MEMORY_FULL = 0.98


def engine_findings(history: Mapping[str, Series], snapshot: EngineSnapshot) -> tuple[Finding, ...]:
    """What is worth saying of a server now. `history` has "waiting" and "kv_cache_usage"."""
    found: list[Finding] = []
    if snapshot.healthy is False:
        found.append(
            Finding(
                code="unhealthy",
                level="blocker",
                what="The server does not answer its health check.",
                do="It may be loading, or it has died: see its log.",
            )
        )
    waiting = history.get("waiting")
    if waiting and (lasted := waiting.lasting(0)) >= LASTING_S:
        found.append(
            Finding(
                code="queue",
                level="warning",
                what=f"Requests have been waiting for {lasted:.0f} s: the server is saturated.",
                do="Add an instance or a GPU, or send less.",
            )
        )
    usage = history.get("kv_cache_usage")
    if usage and (lasted := usage.lasting(KV_FULL)) >= LASTING_S:
        found.append(
            Finding(
                code="kv_full",
                level="warning",
                what=f"The KV cache has been above 90 % for {lasted:.0f} s.",
                do="Raise --gpu-memory-utilization, use an fp8 KV cache, or add an instance.",
            )
        )
    if snapshot.restarted:
        found.append(
            Finding(code="restarted", level="warning", what="The server was restarted.", do="")
        )
    return tuple(found)


def gpu_findings(snapshot: GpuSnapshot) -> tuple[Finding, ...]:
    """What is worth saying of the GPUs now."""
    found: list[Finding] = []
    for gpu in snapshot.gpus:
        if gpu.gpu_temp_c is not None and gpu.gpu_temp_c >= HOT_C:
            found.append(
                Finding(
                    code="hot",
                    level="warning",
                    what=f"GPU {gpu.index} is at {gpu.gpu_temp_c:.0f} °C and may throttle.",
                    do="Check the cooling.",
                )
            )
    return tuple(found)
