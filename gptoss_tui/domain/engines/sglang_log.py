"""What SGLang's log lines tell of a launch. Source: the log of 0.5.23 on a CPU, its source where that
has no line (`cuda_graph_setup.py`), and the older wordings. Its "GB" are of 1024 cubed."""

from __future__ import annotations

from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.log_lines import LogTable
from gptoss_tui.domain.progress import PhaseName

_LINES: tuple[tuple[str, PhaseName, str], ...] = (
    (r"Load weight begin|will attempt download", "weights", "what the cache lacks"),
    (r"Downloading|Fetching \d+ files", "weights", ""),
    (r"(?:Loading \w+ checkpoint|Multi-thread loading(?: \w+)?(?: checkpoint)?) shards", "load",
     "shards"),
    (r"Load weight end", "load", "weights loaded"),
    # It compiles nothing by itself: the cache is made when the weights are there.
    (r"KV Cache is allocated|KV cache allocated|KVPool mem usage|Memory pool end", "load",
     "KV cache sized"),
    (r"Capturing batches|Capturing num tokens", "capture", "CUDA graphs"),
    (r"Capture .*graphs? begin", "capture", "CUDA graphs"),
    (r"Capture .*graphs? end", "capture", "graphs captured"),
    (r"max_total_num_tokens=", "warmup", "engine ready"),
    (r"Uvicorn running on|The server is fired up", "warmup", "HTTP server"),
)  # fmt: skip
_QUICK = (
    "oad", "etching", "KV ", "KVPool", "Memory pool", "aptur", "max_total_num_tokens", "Uvicorn",
    "fired up",
)  # fmt: skip
_FIGURES = (
    ("weights_gib", r"Load weight end\..* mem usage=([\d.]+) GB"),
    ("kv_cache_gib", r"SWAKVPool mem usage: ([\d.]+) GB"),
    ("kv_tokens", r"max_total_num_tokens=(\d+)"),
    ("cuda_graphs_gib", r"Capture .*decode.* end\..* mem usage=([\d.]+) GB"),
)
_TABLE = LogTable(_LINES, _FIGURES, _QUICK)


def read_log(line: str) -> PhaseMark | None:
    """The phase that a line speaks of, or the failure that it is; None for nearly all lines."""
    return _TABLE.read(line)
