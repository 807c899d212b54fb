"""What vLLM uses of a GPU besides the KV cache: partly computed, partly measured.

Measured rows (vLLM start-up logs that others published), GiB:
  20b H100 0.19.0  8192/1024: weights 13.64, activation 2.87, non-torch 0.25, graphs 1.30 est. 1.84
  20b H100 0.19.0  TP2:       weights 7.01,  activation 2.87, non-torch 2.07, graphs 1.09 est. 1.55
  20b H100 0.11.0  8192/1024: weights 13.47, activation 7.38, non-torch 0.13, graphs 0.39
  20b B60  0.28.0  2048/256:  weights 12.87, activation 0.69, non-torch 1.50, graphs 0 (eager)
  120b H100 0.10.1: weights 65.97; 0.19: 64.38; 0.25: 61.29
"""

from __future__ import annotations

from math import ceil

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import GIB, Model
from gptoss_tui.domain.plan.types import Basis, PlanRequest
from gptoss_tui.domain.plan.versions import Version

Capability = tuple[int, int]


def capability(text: str | None) -> Capability | None:
    """ "9.0" as (9, 0); None where it is not known."""
    try:
        major, minor = (text or "").split(".")
        return int(major), int(minor)
    except ValueError:
        return None


def moe_backend(cap: Capability | None, version: Version) -> str:
    """Which kernels run the experts (fused_moe/oracle/mxfp4.py): it decides their padding."""
    major = (cap or (8, 0))[0]
    if major == 9:
        # Logs of 0.10.1 and 0.11.2 say Marlin on Hopper, all others Triton.
        return "marlin" if version < (0, 11, 0) else "triton"
    if major == 10:
        return "trtllm" if version < (0, 27, 0) else "trtllm_128"
    return "marlin"


# Rounding of (hidden, intermediate) by backend, in elements; None leaves it.
_PADDING: dict[str, tuple[int, int]] = {
    "marlin": (256, 128),
    "trtllm": (256, 256),
    "trtllm_128": (256, 128),
    "triton": (1, 64),
}


def weights_gib(
    model: Model, tensor_parallel: int, cap: Capability | None, version: Version
) -> float:
    """Resident weights on one GPU. The intermediate size is split before it is rounded up."""
    backend = moe_backend(cap, version)
    pad_hidden, pad_inter = _PADDING[backend]
    hidden = _up(model.hidden, pad_hidden)
    intermediate = _up(ceil(model.intermediate / tensor_parallel), pad_inter)
    experts = model.expert_bytes(hidden, intermediate)
    if backend == "triton":
        # Logged above the computed size: 64.38 instead of 60.77 GiB up to 0.19, 61.29 later.
        experts = round(experts * (1.064 if version < (0, 20, 0) else 1.009))
    return (experts + model.dense_bytes / tensor_parallel) / GIB


def activation_gib(batched_tokens: int, version: Version) -> tuple[float, Basis]:
    """The peak of the profiling run. Linear in the batch from 0.12 (0.69 at 2048, 2.87 at 8192)."""
    if version < (0, 12, 0):
        return 7.38, "measured"
    figure = max(0.35, 0.69 + (batched_tokens - 2048) * (2.87 - 0.69) / 6144)
    return figure, "measured" if 1024 <= batched_tokens <= 8192 else "estimated"


def non_torch_gib(tensor_parallel: int) -> float:
    """NCCL's buffers make the difference between one GPU and several."""
    return 0.25 if tensor_parallel == 1 else 2.07


def graphs_gib(request: PlanRequest, tensor_parallel: int, version: Version) -> tuple[float, float]:
    """`(estimated by vLLM, real)` memory of the CUDA graphs; the estimate is too low in the logs."""
    if request.enforce_eager:
        return 0.0, 0.0
    if version < (0, 12, 0):
        return 0.39, 0.39
    return (1.30, 1.84) if tensor_parallel == 1 else (1.09, 1.55)


def outside_gib(
    request: PlanRequest, model: Model, seqs: int, tensor_parallel: int, version: Version
) -> float:
    """What comes on top of the budget: the sampler's warm-up in fp32, and graphs not accounted for."""
    estimated, real = graphs_gib(request, tensor_parallel, version)
    counted = estimated if versions.subtracts_graphs(version, request) else 0.0
    return seqs * model.vocabulary * 4 / GIB + max(0.0, real - counted)


def _up(value: int, multiple: int) -> int:
    return ceil(value / multiple) * multiple
