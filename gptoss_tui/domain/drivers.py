"""NVIDIA's driver branches, and the CUDA that each of them runs.

CUDA 13 from R580, CUDA 12 from R525:
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
"""

from __future__ import annotations

from gptoss_tui.domain.parse.numbers import whole

CUDA13_DRIVER, CUDA12_DRIVER = 580, 525


def branch(driver_version: str | None) -> int | None:
    """580 of "580.95.05"."""
    return whole((driver_version or "").partition(".")[0])


def cuda_of(driver_version: str | None) -> int:
    """The newest CUDA that a driver runs: 13 or 12; 13 where the driver is not known."""
    has = branch(driver_version)
    return 12 if has is not None and has < CUDA13_DRIVER else 13
