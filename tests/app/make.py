"""Facts made by hand; each test says only what it is about."""

from __future__ import annotations

from typing import Any

from gptoss_tui.domain.gpu import GIB, Gpu, GpuSample
from gptoss_tui.domain.host import BoxReport, DockerInfo
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec

H100 = "NVIDIA H100 80GB HBM3"
TOTAL = 81_559 * 1024**2

# Everything that a terminal, a markup parser or a reader of right-to-left text could stumble over.
HOSTILE = "evil[bold]B[/bold][/x] \x1b[31mred\x1b[0m\x1b]0;title\x07 a\u202eb\u2066c\x9b7m \x08\x7f"
SHOWN = "evil[bold]B[/bold][/x] red abc"


def gpu(index: int = 0, **changes: Any) -> Gpu:
    values: dict[str, Any] = {
        "index": index,
        "name": H100,
        "uuid": f"GPU-{index}",
        "memory_total_bytes": TOTAL,
        "memory_used_bytes": 4 * 1024**2,
        "compute_capability": "9.0",
        "power_limit_w": 700.0,
    }
    return Gpu(**values | changes)


def report(count: int = 1, **changes: Any) -> BoxReport:
    values: dict[str, Any] = {
        "hostname": "lab",
        "user": "root",
        "os": "Ubuntu 24.04",
        "cpus": 64,
        "memory_total_bytes": 512 * GIB,
        "driver_version": "580.65",
        "gpus": tuple(gpu(index) for index in range(count)),
        "docker": DockerInfo(version="29.0", api_version="1.52", via="socket"),
        "home": "/root",
        "cache_dir": "/root/.cache/huggingface/hub",
    }
    return BoxReport(**values | changes)


def sample(index: int = 0, **changes: Any) -> GpuSample:
    values: dict[str, Any] = {
        "index": index,
        "name": H100,
        "power_w": 412.4,
        "gpu_temp_c": 61.0,
        "memory_temp_c": 70.0,
        "sm_pct": 87.0,
        "memory_pct": 45.0,
        "encoder_pct": 0.0,
        "decoder_pct": 0.0,
        "jpeg_pct": 0.0,
        "optical_flow_pct": 0.0,
        "memory_used_bytes": 60 * GIB,
        "memory_total_bytes": TOTAL,
        "bar1_used_bytes": 14 * 1024**2,
        "confidential_used_bytes": 0,
    }
    return GpuSample(**values | changes)


def spec(**changes: Any) -> LaunchSpec:
    values: dict[str, Any] = {
        "launch_id": "20260304-120000-abcdef",
        "name": "gpt-oss-20b",
        "engine_version": "0.32.0",
        "image": "vllm/vllm-openai:v0.32.0",
        "model": "openai/gpt-oss-20b",
        "served_name": "openai/gpt-oss-20b",
        "gpu_ids": ("GPU-0",),
        "port": 8000,
        "arguments": ("--max-model-len", "32768"),
    }
    return LaunchSpec(**values | changes)


def server(name: str = "gpt-oss-20b", **changes: Any) -> Instance:
    values: dict[str, Any] = {
        "name": name,
        "engine": "vllm",
        "model": "openai/gpt-oss-20b",
        "port": 8000,
        "managed": True,
        "state": "ready",
        "gpu_ids": ("GPU-0",),
        "launch_id": "20260304-120000-abcdef",
    }
    return Instance(**values | changes)
