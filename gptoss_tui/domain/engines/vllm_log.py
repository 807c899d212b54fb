"""What vLLM's log lines tell of a launch, for releases 0.10 to 0.33."""

from __future__ import annotations

from gptoss_tui.domain.engines.log_lines import LogTable
from gptoss_tui.domain.progress import PhaseName

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
_QUICK = (
    "oad", "aptur", "ompil", "ernel", "Dynamo", "KV cache", "concurrency", "GPU blocks",
    "Fetching", "init engine", "Starting vLLM", "Waiting for",
)  # fmt: skip
# 0.10 to 0.33: "Model loading took X GiB and", "X GiB memory and"; sizes in one line from 0.28.
_FIGURES = (
    ("weights_gib", r"[Mm]odel loading took ([\d.]+) Gi?B"),
    ("kv_cache_gib", r"Available KV cache memory: (-?[\d.]+) GiB"),
    ("kv_tokens", r"GPU KV cache size: ([\d,]+) tokens"),
    ("max_concurrency", r"Maximum concurrency for [\d,]+ tokens per request: ([\d.]+)x"),
    ("cuda_graphs_gib", r"Graph capturing finished in .* took (-?[\d.]+) GiB"),
)
read_log = LogTable(_LINES, _FIGURES, _QUICK).read
