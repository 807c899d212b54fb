"""What SGLang's log lines tell of a launch. Source: its source of 0.5.23 (`model_runner.py`,
`cuda_graph_setup.py`, `memory_pool.py`, `scheduler.py`, `http_server.py`), and the older wordings.
Its "GB" are of 1024 cubed."""

from __future__ import annotations

from gptoss_tui.domain.engines.log_lines import LogTable
from gptoss_tui.domain.progress import PhaseName

_LINES: tuple[tuple[str, PhaseName, str], ...] = (
    (r"Load weight begin", "weights", "what the cache lacks"),
    (r"Downloading|Fetching \d+ files", "weights", ""),
    (r"(?:Loading \w+ checkpoint|Multi-thread loading(?: \w+)?(?: checkpoint)?) shards", "load",
     "shards"),
    (r"Load weight end", "load", "weights loaded"),
    (r"KV Cache is allocated|KV cache allocated|Memory pool end", "compile", "KV cache sized"),
    (r"Capturing batches|Capturing num tokens", "capture", "CUDA graphs"),
    (r"Capture .*graphs? begin", "capture", "CUDA graphs"),
    (r"Capture .*graphs? end", "capture", "graphs captured"),
    (r"max_total_num_tokens=", "warmup", "engine ready"),
    (r"Uvicorn running on|The server is fired up", "warmup", "HTTP server"),
)  # fmt: skip
_QUICK = (
    "oad", "etching", "KV ", "Memory pool", "aptur", "max_total_num_tokens", "Uvicorn", "fired up",
)  # fmt: skip
_FIGURES = (
    ("weights_gib", r"Load weight end\..* mem usage=([\d.]+) GB"),
    ("kv_tokens", r"max_total_num_tokens=(\d+)"),
    ("cuda_graphs_gib", r"Capture .*decode.* end\..* mem usage=([\d.]+) GB"),
)
read_log = LogTable(_LINES, _FIGURES, _QUICK).read
