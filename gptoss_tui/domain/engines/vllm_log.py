"""What vLLM's log lines tell of a launch, for releases 0.10 to 0.33."""

from __future__ import annotations

import re

from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.failures import fatal_mark
from gptoss_tui.domain.parse.numbers import finite
from gptoss_tui.domain.progress import PhaseName
from gptoss_tui.domain.startup import StartupFigures

_PERCENT = re.compile(r"(\d{1,3})%(?: Completed)?\s*\|")
_LINES: tuple[tuple[str, PhaseName, str], ...] = (
    (r"Downloading|Fetching \d+ files|Time spent downloading weights", "weights", ""),
    (r"Starting to load model", "weights", "what the cache lacks"),
    (r"Loading (?:safetensors|pt) checkpoint shards", "load", "shards"),
    (r"Loading weights took|[Mm]odel loading took", "load", "weights loaded"),
    (
        r"torch\.compile (?:takes|took)|Dynamo bytecode|Compiling a graph|torch_compile_cache",
        "compile",
        "",
    ),
    (
        r"Available KV cache memory|GPU KV cache size|Maximum concurrency|# GPU blocks",
        "compile",
        "KV cache sized",
    ),
    (r"Capturing (?:CUDA|cudagraph|CUDA graphs)", "capture", "CUDA graphs"),
    (r"Graph capturing finished", "capture", "graphs captured"),
    (r"init engine \(profile", "warmup", "engine ready"),
    (
        r"Starting vLLM (?:API )?server (?:\d+ )?on http|Waiting for application startup",
        "warmup",
        "HTTP server",
    ),
)
_TABLE = tuple((re.compile(pattern), phase, detail) for pattern, phase, detail in _LINES)
_QUICK = (
    "oad", "aptur", "ompil", "ernel", "Dynamo", "KV cache", "concurrency", "GPU blocks",
    "Fetching", "init engine", "Starting vLLM", "Waiting for",
)  # fmt: skip


def read_log(line: str) -> PhaseMark | None:
    """The phase that a line speaks of, or the failure that it is; None for nearly all lines."""
    if mark := fatal_mark(line):
        return mark
    if not any(word in line for word in _QUICK):
        return None
    for pattern, phase, detail in _TABLE:
        if pattern.search(line):
            return PhaseMark(
                phase=phase, fraction=_fraction(line), detail=detail, figures=read_figures(line)
            )
    return None


# 0.10 to 0.33: "Model loading took X GiB and", "X GiB memory and"; sizes in one line from 0.28.
_FIGURES = (
    ("weights_gib", re.compile(r"[Mm]odel loading took ([\d.]+) Gi?B")),
    ("kv_cache_gib", re.compile(r"Available KV cache memory: (-?[\d.]+) GiB")),
    ("kv_tokens", re.compile(r"GPU KV cache size: ([\d,]+) tokens")),
    (
        "max_concurrency",
        re.compile(r"Maximum concurrency for [\d,]+ tokens per request: ([\d.]+)x"),
    ),
    ("cuda_graphs_gib", re.compile(r"Graph capturing finished in .* took (-?[\d.]+) GiB")),
)


def read_figures(line: str) -> StartupFigures | None:
    """What a line says of the engine's memory; None for nearly all lines."""
    found: dict[str, float] = {}
    for name, pattern in _FIGURES:
        match = pattern.search(line)
        number = finite(match[1].replace(",", "")) if match else None
        if number is not None:
            found[name] = int(number) if name == "kv_tokens" else number
    return StartupFigures(**found) if found else None  # type: ignore[arg-type]


def _fraction(line: str) -> float | None:
    found = _PERCENT.findall(line)
    return min(int(found[-1]), 100) / 100 if found else None
