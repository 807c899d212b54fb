"""What Ollama's log lines tell of a launch; the model's download is told by the pull call itself.

Source: published journals of 0.11, and its source of August 2026 (`llm/server.go`, `ggml.go`).
"""

from __future__ import annotations

from gptoss_tui.domain.engines.log_lines import LogTable
from gptoss_tui.domain.progress import PhaseName

_LINES: tuple[tuple[str, PhaseName, str], ...] = (
    (r'msg="starting (?:runner|ollama engine|llama server)"', "load", "runner started"),
    (r"offloaded (\d+/\d+) layers to GPU", "load", r"\1 layers on the GPU"),
    (r'msg="?model weights"? .*device=(?:CUDA|ROCm)\d', "load", ""),
    (r'msg="?kv cache"? .*device=(?:CUDA|ROCm)\d', "load", ""),
    (r"waiting for (?:llama runner|server)", "load", "weights"),
    (r"llama runner started in", "warmup", "model loaded"),
)
_QUICK = ("starting ", "offloaded", "model weights", "kv cache", "runner", "waiting for")
_FIGURES = (
    ("weights_gib", r'msg="?model weights"? .*device=(?:CUDA|ROCm)\d+ size="([\d.]+) GiB"'),
    ("kv_cache_gib", r'msg="?kv cache"? .*device=(?:CUDA|ROCm)\d+ size="([\d.]+) GiB"'),
)
read_log = LogTable(_LINES, _FIGURES, _QUICK).read
