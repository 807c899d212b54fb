"""vLLM's `/metrics` page as an `EngineSnapshot`, for releases 0.6 to 0.33."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptoss_tui.domain.engines import prometheus
from gptoss_tui.domain.parse.numbers import finite
from gptoss_tui.domain.serving import EngineSnapshot

if TYPE_CHECKING:
    from gptoss_tui.domain.engines.prometheus import Samples

# Family names as the parser reports them (without _total); later names win over older ones.
# Source of the life spans: vLLM's `v1/metrics/loggers.py` in releases 0.10.1 to 0.33.
_GAUGES = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
}
_USAGES = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")  # the first there is
_COUNTERS = {
    "vllm:prompt_tokens": "prompt_tokens",
    "vllm:generation_tokens": "generation_tokens",
    "vllm:request_success": "finished",
    "vllm:num_preemptions": "preemptions",
    "vllm:prefix_cache_queries": "prefix_queries",
    "vllm:prefix_cache_hits": "prefix_hits",
}
_HISTOGRAMS = {
    "vllm:time_to_first_token_seconds": "ttft",
    "vllm:time_per_output_token_seconds": "inter_token",
    "vllm:inter_token_latency_seconds": "inter_token",
    "vllm:e2e_request_latency_seconds": "e2e",
}
_INFO = "vllm:cache_config_info"
_WANTED = frozenset([*_GAUGES, *_USAGES, *_COUNTERS, *_HISTOGRAMS, _INFO])


def read_metrics(page: str) -> EngineSnapshot:
    """Read a page; what cannot be read is left out, and an empty page is "no metrics"."""
    families = prometheus.families(page, _WANTED)
    if not families:
        return EngineSnapshot(metrics=False)
    gauges = {field: prometheus.total(families.get(name)) for name, field in _GAUGES.items()}
    usage = next((families[name] for name in _USAGES if name in families), None)
    pool_tokens, concurrency = _pool(families)
    return EngineSnapshot(
        model=prometheus.model_name(families),
        running=gauges["running"],
        waiting=gauges["waiting"],
        kv_cache_usage=prometheus.mean(usage),
        kv_cache_tokens=pool_tokens,
        kv_cache_max_concurrency=concurrency,
        counters=prometheus.counters(families, _COUNTERS, _HISTOGRAMS),
    )


def _pool(families: dict[str, Samples]) -> tuple[int | None, float | None]:
    """The KV pool's tokens and largest concurrency, from the labels of the info metric."""
    info = families.get(_INFO)
    if not info:
        return None, None
    labels = info[0].labels
    tokens = finite(labels.get("kv_cache_size_tokens"))
    return (
        None if tokens is None else round(tokens),
        finite(labels.get("kv_cache_max_concurrency")),
    )
