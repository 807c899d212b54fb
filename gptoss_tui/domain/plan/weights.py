"""Resident weights: which kernels run the experts decides how they are padded and what stays.

Logged (GiB, by others): Marlin 20b 13.72, 120b 65.97 in every release; Triton on Hopper 20b 13.47
(0.11.0), 13.64 (0.19), TP2 7.01, TP4 3.63, 13.03 (0.25 on); 120b 64.38 up to 0.24, 61.29 from 0.25.
"""

from __future__ import annotations

from math import ceil
from typing import Literal

from gptoss_tui.domain.plan.models import GIB, Model
from gptoss_tui.domain.plan.types import InstalledBy, PlanGpu
from gptoss_tui.domain.plan.versions import Version

Capability = tuple[int, int]
Backend = Literal["marlin", "triton", "trtllm", "trtllm_128", "xpu"]

# Rounding of (hidden, intermediate) by backend, in elements (fused_moe/oracle/mxfp4.py).
_PADDING: dict[Backend, tuple[int, int]] = {
    "marlin": (256, 128),
    "trtllm": (256, 256),
    "trtllm_128": (256, 128),
    "triton": (1, 64),
    "xpu": (1, 1),
}
# What the logs show on top of the computed bytes: small buffers that no formula here explains.
_MARLIN_EXTRA = {"20b": 0.05, "120b": 0.07}
_TRITON_EXTRA = 0.20
_TRITON_EXTRA_LATER = {"20b": 0.21, "120b": 0.52}
_XPU_EXTRA = 0.05
# `del layer.w13_weight_scale` (pull request 46549): until then Triton keeps the original scales.
_SCALES_GONE = (0, 25, 0)


def capability(text: str | None) -> Capability | None:
    """ "9.0" as (9, 0); None where it is not known."""
    try:
        major, minor = (text or "").split(".")
        return int(major), int(minor)
    except ValueError:
        return None


def moe_backend(gpu: PlanGpu, version: Version, installed_by: InstalledBy = "image") -> Backend:
    """Which kernels run the experts on this card (quantization/mxfp4.py, oracle/mxfp4.py).

    A card of unknown capability is taken for Ampere.
    """
    cap = capability(gpu.compute_capability)
    if cap is None and is_intel(gpu.name):
        return "xpu"
    cap = cap or (8, 0)
    if _has_flashinfer(version, installed_by) and _is_sm100(cap, version):
        return "trtllm" if version < (0, 27, 0) else "trtllm_128"
    if _has_triton_kernels(version, installed_by) and _triton_takes(cap, version):
        return "triton"
    return "marlin"


def is_intel(name: str) -> bool:
    """Intel's cards have no compute capability and run on XPU."""
    return any(word in name.lower() for word in ("intel", "arc "))


def _is_sm100(cap: Capability, version: Version) -> bool:
    """Up to 0.12 the check is for 10.0 alone, by 0.14 for all of 10.x."""
    return cap == (10, 0) or (cap[0] == 10 and version >= (0, 14, 0))


def _triton_takes(cap: Capability, version: Version) -> bool:
    """Up to 0.11 everything from Hopper on, from 0.12 only 9.0 up to 11.0."""
    return cap[0] >= 9 and (version < (0, 12, 0) or cap < (11, 0))


def _has_flashinfer(version: Version, installed_by: InstalledBy) -> bool:
    """From 0.11.1 vLLM's own requirements bring it; before only the image did."""
    return installed_by == "image" or version >= (0, 11, 1)


def _has_triton_kernels(version: Version, installed_by: InstalledBy) -> bool:
    """The image of 0.11.0 logs Triton; 0.10.1 and 0.11.2 log Marlin. From 0.12 vLLM has its own copy.

    Installs by pip were seen with Marlin before 0.13.
    """
    if installed_by == "pip":
        return version >= (0, 13, 0)
    return (0, 10, 2) <= version < (0, 11, 1) or version >= (0, 12, 0)


def weights_gib(model: Model, tensor_parallel: int, backend: Backend, version: Version) -> float:
    """GiB on one GPU. The intermediate size is split over the GPUs before it is rounded up."""
    pad_hidden, pad_inter = _PADDING[backend]
    hidden = _up(model.hidden, pad_hidden)
    intermediate = _up(ceil(model.intermediate / tensor_parallel), pad_inter)
    experts = model.expert_bytes(hidden, intermediate)
    computed = (experts + model.dense_bytes / tensor_parallel) / GIB
    if backend == "marlin":
        return computed + _MARLIN_EXTRA[model.key]
    if backend == "xpu":
        return computed + _XPU_EXTRA
    if backend != "triton":
        return computed
    if version < _SCALES_GONE:
        return computed + model.scale_bytes(hidden, intermediate) / GIB + _TRITON_EXTRA
    return computed + _TRITON_EXTRA_LATER[model.key] / tensor_parallel


def bf16_weights_gib(model: Model, tensor_parallel: int) -> float:
    """GiB on one GPU of a checkpoint that holds everything in BF16 (computed, never logged)."""
    return 2 * model.parameters / tensor_parallel / GIB


def _up(value: int, multiple: int) -> int:
    return ceil(value / multiple) * multiple
