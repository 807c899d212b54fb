"""GPUs: what they are, and what they were seen doing. Unknown is None, never 0."""

from __future__ import annotations

from typing import Literal

import msgspec

from gptoss_tui.domain.facts import Body

MIB = 1024**2
GIB = 1024**3


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process with memory on a GPU; `memory_bytes` None where the driver does not tell."""

    pid: int
    name: str
    gpu_uuid: str | None = None
    memory_bytes: int | None = None


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU as its driver describes it.

    `memory_reserved_bytes` is what the driver keeps of the total for itself: CUDA sees the rest.
    `usable` is False where no program can start on it: it is lost, waits for a reset, or its compute
    mode lets no process in (Prohibited).
    """

    index: int
    name: str
    uuid: str | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    compute_capability: str | None = None
    power_limit_w: float | None = None
    mig: bool = False
    usable: bool = True
    processes: tuple[GpuProcess, ...] = ()


class GpuSample(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU at one moment, in the columns of `nvidia-smi dmon -s pum`.

    Power in W, temperatures in °C, utilisation in % (0 to 100), memory in bytes.
    """

    index: int
    name: str | None = None
    power_w: float | None = None
    gpu_temp_c: float | None = None
    memory_temp_c: float | None = None
    sm_pct: float | None = None
    memory_pct: float | None = None
    encoder_pct: float | None = None
    decoder_pct: float | None = None
    jpeg_pct: float | None = None
    optical_flow_pct: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    bar1_used_bytes: int | None = None
    confidential_used_bytes: int | None = None


class GpuSnapshot(Body, frozen=True, kw_only=True, tag="gpus"):
    """All GPUs of a box at one moment; `source` says who told.

    `behind_s` is how many seconds later than the promptest figures of the box these arrived (a
    narrow link holds them up), None where the driver told no time. They were measured so long
    before the fact's `our_time`; when by the box's clock, its `box_time` says.
    """

    gpus: tuple[GpuSample, ...]
    source: Literal["dmon", "query", "nvml"]
    behind_s: float | None = None
