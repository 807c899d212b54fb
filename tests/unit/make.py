"""Ordinary values for the unit tests; each test says only what it is about."""

from __future__ import annotations

from typing import Any

from gptoss_tui.domain.gpu import MIB, Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.types import PlanGpu, PlanRequest

# MiB as the drivers of these cards report it.
H100_MIB, L4_MIB, T4_MIB = 81559, 23034, 15360


def spec(**changes: Any) -> LaunchSpec:
    values: dict[str, Any] = {
        "launch_id": "20260102-030405-abcdef",
        "name": "gpt-oss-20b",
        "engine_version": "0.32.0",
        "image": "vllm/vllm-openai:v0.32.0",
        "model": "openai/gpt-oss-20b",
        "served_name": "openai/gpt-oss-20b",
        "gpu_ids": ("GPU-1",),
        "port": 8000,
        "arguments": ("--max-model-len", "8192"),
        "cache_dir": "/home/ann/.cache/huggingface/hub",
    }
    return LaunchSpec(**values | changes)


def gpu(index: int = 0, **changes: Any) -> Gpu:
    values: dict[str, Any] = {
        "index": index,
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": f"GPU-{index}",
        "memory_total_bytes": H100_MIB * MIB,
        "memory_used_bytes": 4 * MIB,
        "compute_capability": "9.0",
    }
    return Gpu(**values | changes)


def report(**changes: Any) -> BoxReport:
    values: dict[str, Any] = {"hostname": "box", "user": "ann", "gpus": (gpu(),)}
    return BoxReport(**values | changes)


def plan_gpu(mib: int = H100_MIB, capability: str | None = "9.0", **changes: Any) -> PlanGpu:
    values: dict[str, Any] = {
        "name": "NVIDIA H100 80GB HBM3",
        "memory_total_bytes": mib * MIB,
        "compute_capability": capability,
    }
    return PlanGpu(**values | changes)


def request(model: str = "20b", count: int = 1, **changes: Any) -> PlanRequest:
    values: dict[str, Any] = {"model": model, "gpus": (plan_gpu(),) * count}
    return PlanRequest(**values | changes)
