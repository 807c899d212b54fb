"""What vLLM uses of a GPU besides weights and KV cache. Measured, where somebody has logged it.

Rows that these figures come from (start-up logs of others, GiB on one GPU):
  20b  H100 0.19.0 seqs 1024, batch 8192: activation 2.87, non-torch 0.25, graphs est. 1.30 real 1.84
  20b  H100 0.19.0 TP2: 2.87, 2.07, 1.09, 1.55; TP4: 5.03 in all
  20b  H100 0.11.0: 7.38, 0.13, graphs 0.39; 120b H100 0.11.0: 7.38, 0.13, graphs 1.03
  120b H100 0.11.2 seqs 6, batch 2048: 1.07 in all; 20b A100 0.19.0 seqs 256, batch 2048: 1.20 in all
  20b  Arc B60 seqs 256, batch 2048, eager: 0.69 and 1.50 (0.28), 0.27 and 1.03 (0.29)
There is none of a CUDA card from 0.27 on: the band is wider there.
"""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import GIB, Model
from gptoss_tui.domain.plan.types import Basis
from gptoss_tui.domain.plan.versions import Version
from gptoss_tui.domain.plan.weights import Backend

# How far predicted and logged KV caches lie apart, rounded up.
_BAND_GIB = 0.5
_BAND_LATER_GIB = 1.0
# The free memory on an H100 below which starts died in the sampler's warm-up (0.19).
_SLACK_GIB = 2.45
_CONTEXT_GIB = 0.5  # the CUDA context
# Bytes that the profiling run's sampler takes for each logit, by the release that changed it.
_LOGIT_BYTES: tuple[tuple[Version, float], ...] = (
    ((0, 17, 0), 38.5),
    ((0, 29, 0), 15.0),
    ((99, 0, 0), 2.0),
)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the use of memory depends on."""

    model: Model
    version: Version
    backend: Backend
    tensor_parallel: int
    seqs: int
    batched: int
    eager: bool


def band_gib(version: Version) -> float:
    """How far the sum of the measured parts may be off."""
    return _BAND_GIB if version < (0, 27, 0) else _BAND_LATER_GIB


def activation_gib(load: Load) -> tuple[float, Basis]:
    """The peak of the profiling run: the sampler's or the forward pass's, whichever is larger."""
    sampler, forward = sampler_gib(load), _forward_gib(load)
    known = load.version < (0, 27, 0) and not (0, 12, 0) <= load.version < (0, 17, 0)
    return max(sampler, forward), "measured" if known else "estimated"


def sampler_gib(load: Load) -> float:
    """Profiling samples `max_num_seqs` rows of logits, whole on every GPU (_dummy_sampler_run).

    Bytes for each logit: 38.5 with the native sort (7.38 GiB at 1024 rows), 15 from 0.17 with the
    Triton or FlashInfer kernels (2.87), 2 from 0.29, where the second model runner leaves it out.
    """
    each = next(size for until, size in _LOGIT_BYTES if load.version < until)
    return min(load.seqs, load.batched) * load.model.vocabulary * each / GIB


def _forward_gib(load: Load) -> float:
    """Marlin: 0.95 at 2048 tokens for both models; the slope is the workspace's, not measured."""
    thousands = load.batched / 1024
    if load.backend == "marlin":
        return 0.75 + 0.10 * thousands
    return (0.135 if load.backend == "xpu" else 0.15) * thousands


def non_torch_gib(load: Load) -> float:
    """NCCL's buffers make the difference between one GPU and several.

    From 0.27 it is the difference in free memory, so the experts' persistent workspace is in it.
    """
    if load.backend == "xpu":
        return 1.50 if load.version < (0, 29, 0) else 1.03
    if load.tensor_parallel > 1:
        alone = 0.55 if load.version < (0, 12, 0) else 2.07
    else:
        alone = 0.13 if load.version < (0, 12, 0) else 0.25
    if load.version < (0, 27, 0):
        return alone
    each = 71_680 if load.backend == "marlin" else 23_040
    return alone + load.batched * each / GIB


def graphs_gib(load: Load) -> tuple[float, float]:
    """`(estimated by vLLM, real)` memory of the CUDA graphs; the estimate is too low in the logs.

    Full graphs are captured for the sizes up to `max_num_seqs`: 83 of them up to 1024.
    """
    if load.eager or load.backend == "xpu":
        return 0.0, 0.0
    if load.version < (0, 12, 0):
        real = 0.39 if load.model.key == "20b" else 1.03
        return real, real
    sizes = [1, 2, 4, *range(8, 256, 8), *range(256, 1025, 16)]
    full = sum(size <= load.seqs for size in sizes)
    estimate = (0.44 + 0.0104 * full) * (1.0 if load.tensor_parallel == 1 else 0.84)
    return estimate, 1.42 * estimate


def counted_graphs_gib(load: Load) -> float:
    """What of the graphs comes out of the KV pool."""
    if not versions.subtracts_graphs(load.version, eager=load.eager):
        return 0.0
    return graphs_gib(load)[0]


def outside_gib(load: Load) -> float:
    """What has to be free besides the budget: graphs not counted, and the sampler's warm-up.

    Up to 0.28 the warm-up runs after the graphs are captured and finds the profiling run's peak
    free again; starts with less than 2.45 GiB besides died on an H100, others did not.
    """
    uncounted = max(0.0, graphs_gib(load)[1] - counted_graphs_gib(load))
    if load.version >= (0, 29, 0):
        return uncounted + _CONTEXT_GIB
    share = min(1.0, load.seqs / 1024)
    slack = _CONTEXT_GIB + (_SLACK_GIB - _CONTEXT_GIB) * share
    return max(0.0, uncounted + slack + sampler_gib(load) - activation_gib(load)[0])
