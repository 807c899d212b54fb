"""What vLLM uses of a GPU besides weights and KV cache. Measured, where somebody has logged it.

Rows that these figures come from (start-up logs of others, GiB on one GPU):
  20b  H100 0.19.0 seqs 1024, batch 8192: activation 2.87, non-torch 0.25, graphs est. 1.30 real 1.84
  20b  H100 0.19.0 TP2: 2.87, 2.07, 1.09, 1.55; TP4: 5.03 in all
  20b  H100 0.11.0 without FlashInfer: 7.38, 0.13, graphs 0.39; 120b: 7.38, 0.13, graphs 1.03
  120b H100 0.11.2 seqs 6, batch 2048: 1.07 in all; 20b A100 0.19.0 seqs 256, batch 2048: 1.20 in all
  120b H200 0.22.1 TP8 seqs 256, batch 8192: 2.08 in all
  20b  Arc B60 seqs 256, batch 2048, eager: 0.69 and 1.50 (0.28), 0.27 and 1.03 (0.29)
Which plans these rows vouch for is in `evidence.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from math import ceil

import msgspec

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import GIB, Model
from gptoss_tui.domain.plan.types import InstalledBy
from gptoss_tui.domain.plan.versions import Version
from gptoss_tui.domain.plan.weights import Backend

# The free memory on an H100 below which starts died in the sampler's warm-up (0.19).
_SLACK_GIB = 2.45
_CONTEXT_GIB = 0.5  # the CUDA context
# Bytes that the profiling run's sampler takes for each logit, by the release that changed it.
_NATIVE_SORT, _KERNELS, _SECOND_RUNNER = 38.5, 15.0, 2.0
_LOGIT_BYTES: tuple[tuple[Version, float], ...] = (
    ((0, 11, 1), _KERNELS),
    ((0, 17, 0), _NATIVE_SORT),
    ((0, 29, 0), _KERNELS),
    ((10_000, 0, 0), _SECOND_RUNNER),
)
# Until then a vLLM without FlashInfer (as pip installs it) sorts by itself.
_FLASHINFER_BY_DEFAULT: Version = (0, 11, 1)
_CAPTURED = (1, 2, 4, *range(8, 256, 8), *range(256, 1025, 16))  # sizes of CUDA graphs
# GiB that several GPUs take for talking to each other, by the release until which it holds: logged at
# 2 and 4 on 0.19 (H100), at 8 on 0.22.1 (H200); a log of 4 there fits it too, if its utilization,
# which it does not tell, was 0.80.
_SEVERAL: tuple[tuple[Version, float], ...] = (
    ((0, 12, 0), 0.55),
    ((0, 20, 0), 2.07),
    ((10_000, 0, 0), 0.69),
)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What the use of memory depends on. `doubtful` says that some of it is only supposed."""

    model: Model
    version: Version
    backend: Backend
    tensor_parallel: int
    seqs: int
    batched: int
    eager: bool
    installed_by: InstalledBy = "image"
    doubtful: bool = False


def activation_gib(load: Load) -> float:
    """The peak of the profiling run: the sampler's or the forward pass's, whichever is larger."""
    return max(sampler_gib(load), forward_gib(load))


def sampler_gib(load: Load) -> float:
    """Profiling samples `max_num_seqs` rows of logits, whole on every GPU (_dummy_sampler_run).

    Bytes for each logit: 15 with the FlashInfer kernels of the images up to 0.11.0 and the Triton
    or FlashInfer ones from 0.17 (2.87 GiB at 1024 rows), 38.5 with the native sort between them
    (7.38), when FlashInfer had to be asked for, and in installs by pip; 2 from 0.29, where the
    second model runner leaves it out.
    """
    each = next(size for until, size in _LOGIT_BYTES if load.version < until)
    if without_flashinfer(load.version, load.installed_by):
        each = _NATIVE_SORT
    return min(load.seqs, load.batched) * load.model.vocabulary * each / GIB


def without_flashinfer(version: Version, installed_by: InstalledBy) -> bool:
    """Whether the sampler lacks the kernels that the image of the same release has.

    Source: v1/sample/ops/topk_topp_sampler.py of 0.10.1 to 0.11.0 takes FlashInfer where it can be
    imported; flashinfer's issue 1180 shows that vLLM's image has it, and what it saves.
    """
    return installed_by == "pip" and version < _FLASHINFER_BY_DEFAULT


def forward_gib(load: Load) -> float:
    """Marlin: 0.95 at 2048 tokens for both models; the slope is the workspace's, not measured.

    About half of Triton's is the experts' intermediate, which several GPUs share: an estimate.
    """
    thousands = load.batched / 1024
    if load.backend == "marlin":
        return 0.75 + 0.10 * thousands
    if load.backend == "xpu":
        return 0.135 * thousands
    return 0.15 * thousands * (1 + 1 / load.tensor_parallel) / 2


def non_torch_gib(load: Load) -> float:
    """What PyTorch does not count, and what it keeps: NCCL's buffers, from 0.27 workspaces too.

    From 0.27 it is the difference in free memory, so the experts' persistent workspace is in it.
    """
    kept = penalties_gib(load)
    if load.backend == "xpu":
        return (1.50 if load.version < (0, 29, 0) else 0.83) + kept
    alone = _between_gpus_gib(load)
    if load.version < (0, 27, 0):
        return alone
    each = 71_680 if load.backend == "marlin" else 23_040
    return alone + load.batched * each / GIB + kept


def _between_gpus_gib(load: Load) -> float:
    if load.tensor_parallel > 1:
        return next(size for until, size in _SEVERAL if load.version < until)
    return 0.13 if load.version < (0, 12, 0) else 0.25


def penalties_gib(load: Load) -> float:
    """The second model runner's counters of written and read tokens, on every GPU.

    v1/worker/gpu/sample/penalties.py: for each sequence four bytes for each word of the vocabulary,
    and one bit: 0.79 GiB at 1024.
    """
    if not versions.second_runner(load.version):
        return 0.0
    words = load.model.vocabulary
    return load.seqs * 4 * (words + ceil(words / 32)) / GIB


def graphs_gib(load: Load) -> tuple[float, float]:
    """`(estimated by vLLM, real)` memory of the CUDA graphs; the estimate is too low in the logs.

    Full graphs are captured for the sizes up to `max_num_seqs`: 83 of them up to 1024.
    """
    if load.eager or load.backend == "xpu":
        return 0.0, 0.0
    if load.version < (0, 12, 0):
        real = 0.39 if load.model.key == "20b" else 1.03
        return real, real
    full = bisect_right(_CAPTURED, load.seqs)
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
    if versions.second_runner(load.version):
        return uncounted + _CONTEXT_GIB
    share = min(1.0, load.seqs / 1024)
    slack = _CONTEXT_GIB + (_SLACK_GIB - _CONTEXT_GIB) * share
    return max(0.0, uncounted + slack + sampler_gib(load) - activation_gib(load))
