"""What vLLM's log lines tell of a launch, for releases 0.10 to 0.33."""

from __future__ import annotations

import re

from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.vllm_failures import fatal_mark
from gptoss_tui.domain.progress import PhaseName

_PERCENT = re.compile(r"(\d{1,3})%(?: Completed)?\s*\|")
_LINES: tuple[tuple[str, PhaseName, str], ...] = (
    (r"Downloading|Fetching \d+ files|Time spent downloading weights", "weights", ""),
    (r"Starting to load model", "weights", "fetching what the cache lacks"),
    (r"Loading (?:safetensors|pt) checkpoint shards", "load", "shards"),
    (r"Loading weights took|[Mm]odel loading took", "load", "weights loaded"),
    (r"torch\.compile|Dynamo bytecode|Compiling a graph|torch_compile_cache", "compile", ""),
    (r"Available KV cache memory|GPU KV cache size|# GPU blocks", "compile", "KV cache sized"),
    (r"Capturing (?:CUDA|cudagraph|CUDA graphs)", "capture", "CUDA graphs"),
    (r"Graph capturing finished", "capture", "graphs captured"),
    (r"init engine \(profile", "warmup", "engine ready"),
    (r"Starting vLLM (?:API )?server|Waiting for application startup", "warmup", "HTTP server"),
)
_TABLE = tuple((re.compile(pattern), phase, detail) for pattern, phase, detail in _LINES)
_QUICK = (
    "oad", "aptur", "ompil", "ernel", "Dynamo", "KV cache", "GPU blocks", "Fetching", "init engine",
    "Starting vLLM", "Waiting for",
)  # fmt: skip


def read_log(line: str) -> PhaseMark | None:
    """The phase that a line speaks of, or the failure that it is; None for nearly all lines."""
    if mark := fatal_mark(line):
        return mark
    if not any(word in line for word in _QUICK):
        return None
    for pattern, phase, detail in _TABLE:
        if pattern.search(line):
            return PhaseMark(phase=phase, fraction=_fraction(line), detail=detail)
    return None


def _fraction(line: str) -> float | None:
    found = _PERCENT.findall(line)
    return min(int(found[-1]), 100) / 100 if found else None
