"""What Ollama's log lines tell of a launch; the model's download is told by the pull call itself.

Sources: 0.13.3 as it ran on H100s and on a CPU, and 0.32.15, which runs llama.cpp's server (since
0.30), on a CPU (`tests/checks/ollama_server.py`); published journals of 0.11.
"""

from __future__ import annotations

import re

from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.log_lines import LogTable
from gptoss_tui.domain.parse.numbers import finite
from gptoss_tui.domain.progress import PhaseName
from gptoss_tui.domain.startup import StartupFigures

# A runner without a model only looks for GPUs: when the server starts, and before each load.
_LINES: tuple[tuple[str, PhaseName, str], ...] = (
    (r'msg="starting (?:runner|llama-server)" .* --model ', "load", "runner started"),
    (r'msg="starting ollama engine"', "load", "runner started"),
    (r'msg="model layout did not fit', "load", "too little GPU memory: fewer layers on it"),
    (r"offloaded (\d+/\d+) layers to GPU", "load", r"\1 layers on the GPU"),
    (r'msg="?model weights"? .*device=(?:CUDA|ROCm)\d', "load", ""),
    (r'msg="?kv cache"? .*device=(?:CUDA|ROCm)\d', "load", ""),
    (r"(?:CUDA|ROCm)\d+ model buffer size = ", "load", ""),
    (r"waiting for (?:llama runner|llama-server|server)", "load", "weights"),
    (r"llama(?: runner|-server) started in", "warmup", "model loaded"),
)
_QUICK = ("starting ", "offloaded", "model weights", "kv cache", "buffer size", "started in",
          "waiting for", "did not fit")  # fmt: skip
_FIGURES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r'msg="?model weights"? .*device=(?:CUDA|ROCm)\d+ size="([\d.]+) (GiB|MiB)"', "weights_gib"),
        (r'msg="?kv cache"? .*device=(?:CUDA|ROCm)\d+ size="([\d.]+) (GiB|MiB)"', "kv_cache_gib"),
        (r"(?:CUDA|ROCm)\d+ model buffer size = +([\d.]+) (MiB)", "weights_gib"),
    )
)  # fmt: skip
# An allocation that fails is tried again with fewer layers; where that fails too, other lines say so.
_TRIED = re.compile(
    r"ggml_backend_cuda_buffer_type_alloc_buffer: .*: cudaMalloc failed: out of memory"
    r"|ggml_gallocr_reserve\w*: failed to allocate"
)
_UNITS = {"GiB": 1.0, "MiB": 1024.0}


class _OllamaLog(LogTable):
    """Its sizes have units."""

    def read(self, line: str) -> PhaseMark | None:
        return None if _TRIED.match(line) else super().read(line)

    def figures(self, line: str) -> StartupFigures | None:
        for pattern, name in _FIGURES:
            match = pattern.search(line)
            size = finite(match[1]) if match else None
            if match and size is not None:
                found = {name: round(size / _UNITS[match[2]], 2)}
                return StartupFigures(**found)  # type: ignore[arg-type]
        return None


read_log = _OllamaLog(_LINES, (), _QUICK).read
