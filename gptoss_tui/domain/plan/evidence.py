"""Which plans somebody's start-up log vouches for, and how far off the others may be.

A figure is measured where a log of the same kernels and releases covers as many GPUs, tokens and
sequences; the logs themselves are a table in `tests/unit/test_plan_rows.py`.
"""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan.memory import Load, forward_gib, sampler_gib
from gptoss_tui.domain.plan.types import Basis
from gptoss_tui.domain.plan.versions import Version
from gptoss_tui.domain.plan.weights import Backend

MEASURED_BAND_GIB = 0.5  # logged starts lie within 0.2
OTHER_BAND_GIB = 1.5
# Eight GPUs, a vLLM of one's own making, memory shared with the host, cards of unknown kind; and
# Hopper from 0.20: its one log (0.25.1) found 2.5 GiB less than planned, for a reason not known.
DOUBTFUL_BAND_GIB = 2.0
CORRECTED_BAND_GIB = 0.2  # where this box has already shown how far off the plan is


class Logged(msgspec.Struct, frozen=True):
    """Releases from `since` up to and without `until`, and the most that their logs cover."""

    backend: Backend
    since: Version
    until: Version
    tensor_parallel: int
    batched: int
    seqs: int


LOGGED = (
    Logged("marlin", (0, 11, 1), (0, 12, 0), 1, 2048, 8),
    Logged("marlin", (0, 17, 0), (0, 20, 0), 1, 2048, 256),
    Logged("triton", (0, 17, 0), (0, 20, 0), 4, 8192, 1024),
    Logged("xpu", (0, 28, 0), (0, 30, 0), 1, 2048, 256),
)
# The kernels whose resident weights were logged, up to four GPUs.
_WEIGHED: tuple[Backend, ...] = ("marlin", "triton", "xpu")


def is_measured(load: Load) -> bool:
    """Whether a log covers this load. Triton's forward pass was never the peak in one."""
    if load.doubtful or (load.backend == "triton" and sampler_gib(load) < forward_gib(load)):
        return False
    return any(
        row.backend == load.backend
        and row.since <= load.version < row.until
        and load.tensor_parallel <= row.tensor_parallel
        and load.batched <= row.batched
        and load.seqs <= row.seqs
        for row in LOGGED
    )


def band_gib(load: Load) -> float:
    """How far the sum of the measured and estimated parts may be off, in GiB."""
    if is_measured(load):
        return MEASURED_BAND_GIB
    newer_hopper = load.backend == "triton" and load.version >= (0, 20, 0)
    if load.doubtful or newer_hopper or load.tensor_parallel > 4:
        return DOUBTFUL_BAND_GIB
    return OTHER_BAND_GIB


def weights_basis(load: Load) -> Basis:
    """MXFP4 weights were logged for some kernels; TRT-LLM's padding is only computed."""
    known = load.backend in _WEIGHED and load.tensor_parallel <= 4 and not load.doubtful
    return "measured" if known else "estimated"


def parts_basis(load: Load) -> Basis:
    """Of activation, non-torch memory and CUDA graphs."""
    return "measured" if is_measured(load) else "estimated"
