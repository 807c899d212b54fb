"""SGLang's `/metrics` page (with --enable-metrics) as an `EngineSnapshot`.

Source of the names: `observability/metrics_collector.py` of 0.5.23.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gptoss_tui.domain.engines import prometheus
from gptoss_tui.domain.serving import EngineSnapshot

if TYPE_CHECKING:
    from gptoss_tui.domain.engines.prometheus import Samples

_GAUGES = {
    "sglang:num_running_reqs": "running",
    "sglang:num_queue_reqs": "waiting",
    "sglang:max_total_num_tokens": "tokens",
}
_USAGE = "sglang:token_usage"
_CONTEXT = "sglang:context_len"
# Cached tokens are part of the prompt tokens, so both together are the prefix cache's hit ratio.
_COUNTERS = {
    "sglang:prompt_tokens": "prompt_tokens",
    "sglang:generation_tokens": "generation_tokens",
    "sglang:num_requests": "finished",
    "sglang:num_retracted_requests": "preemptions",
    "sglang:cached_tokens": "prefix_hits",
}
_HISTOGRAMS = {
    "sglang:time_to_first_token_seconds": "ttft",
    "sglang:inter_token_latency_seconds": "inter_token",
    "sglang:e2e_request_latency_seconds": "e2e",
}
_WANTED = frozenset([*_GAUGES, _USAGE, _CONTEXT, *_COUNTERS, *_HISTOGRAMS])


def read_metrics(page: str) -> EngineSnapshot:
    """Read a page; what cannot be read is left out, and an empty page is "no metrics"."""
    families = prometheus.families(page, _WANTED)
    if not families:
        return EngineSnapshot(metrics=False)
    # With metrics of all schedulers each rank of a server tells the same figures.
    families = {
        name: [sample for sample in samples if sample.labels.get("tp_rank", "0") == "0"]
        for name, samples in families.items()
    }
    gauges = {field: prometheus.total(families.get(name)) for name, field in _GAUGES.items()}
    counters = prometheus.counters(families, _COUNTERS, _HISTOGRAMS)
    if counters.prefix_hits is not None:
        counters = msgspec.structs.replace(counters, prefix_queries=counters.prompt_tokens)
    tokens, context = gauges["tokens"], _largest(families.get(_CONTEXT))
    return EngineSnapshot(
        model=prometheus.model_name(families),
        running=gauges["running"],
        waiting=gauges["waiting"],
        kv_cache_usage=prometheus.mean(families.get(_USAGE)),
        kv_cache_tokens=None if tokens is None else round(tokens),
        kv_cache_max_concurrency=tokens / context if tokens and context else None,
        counters=counters,
    )


def _largest(family: Samples | None) -> float | None:
    """Of a figure that all replicas share."""
    return max((s.value for s in family or () if s.value > 0), default=None)
