"""What a box has once a server of ours has made room."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch import LaunchSpec

# How nvidia-smi names the processes of the engines ("VLLM::EngineCore", "sglang::scheduler").
_ENGINES = ("vllm", "sglang", "ollama", "python")


def without_server(report: BoxReport, spec: LaunchSpec) -> BoxReport:
    """The report with the memory given back that `spec`'s server holds.

    An inference server on its GPUs is taken for this one, since ours have their GPUs to
    themselves; other processes keep what they hold.
    """
    mine = set(spec.gpu_ids)
    gpus = tuple(_emptied(gpu) if {gpu.uuid, str(gpu.index)} & mine else gpu for gpu in report.gpus)
    return msgspec.structs.replace(report, gpus=gpus)


def _emptied(gpu: Gpu) -> Gpu:
    others = tuple(
        process
        for process in gpu.processes
        if not any(name in process.name.lower() for name in _ENGINES)
    )
    held = sum(process.memory_bytes or 0 for process in others)
    return msgspec.structs.replace(gpu, processes=others, memory_used_bytes=held)
