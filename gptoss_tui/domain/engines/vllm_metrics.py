"""vLLM's `/metrics` page as an `EngineSnapshot`, for releases 0.6 to 0.33."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gptoss_tui.domain.parse.numbers import finite
from gptoss_tui.domain.serving import EngineCounters, EngineSnapshot, Histogram

if TYPE_CHECKING:
    from prometheus_client import Metric

# Family names as the parser reports them (without _total); later names win over older ones.
# Source of the life spans: vLLM's `v1/metrics/loggers.py` in releases 0.10.1 to 0.33.
_GAUGES = {
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:gpu_cache_usage_perc": "kv_cache_usage",
    "vllm:kv_cache_usage_perc": "kv_cache_usage",
}
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
_WANTED = frozenset([*_GAUGES, *_COUNTERS, *_HISTOGRAMS, _INFO])
_SUFFIXES = ("_total", "_bucket", "_sum", "_count", "")


def read_metrics(page: str) -> EngineSnapshot:
    """Read a page; what cannot be read is left out, and an empty page is "no metrics"."""
    families = _families(page)
    if not families:
        return EngineSnapshot(metrics=False)
    gauges: dict[str, float | None] = {}
    for name, field in _GAUGES.items():
        if name in families:
            gauges[field] = _total(families[name])
    if "vllm:kv_cache_usage_perc" in families or "vllm:gpu_cache_usage_perc" in families:
        gauges["kv_cache_usage"] = _mean(
            families.get("vllm:kv_cache_usage_perc") or families["vllm:gpu_cache_usage_perc"]
        )
    pool_tokens, concurrency = _pool(families)
    return EngineSnapshot(
        model=_model(families),
        running=gauges.get("running"),
        waiting=gauges.get("waiting"),
        kv_cache_usage=gauges.get("kv_cache_usage"),
        kv_cache_tokens=pool_tokens,
        kv_cache_max_concurrency=concurrency,
        counters=_counters(families),
    )


def _families(page: str) -> dict[str, Metric]:
    """The wanted families. Their lines are picked first: parsing all 55 kB costs twenty times more."""
    # The package brings an HTTP server along: it is loaded where a page is read, not before.
    from prometheus_client.parser import text_string_to_metric_families

    picked = "\n".join(line for line in page.splitlines() if _is_wanted(line))
    found: dict[str, Metric] = {}
    try:
        for family in text_string_to_metric_families(picked + "\n"):
            if family.name in found:  # samples without a "# TYPE" line come one by one
                found[family.name].samples.extend(family.samples)
            else:
                found[family.name] = family
    except (ValueError, KeyError, IndexError):
        return found  # a torn page: what was read before the tear is still true
    return found


def _is_wanted(line: str) -> bool:
    if line.startswith(("# TYPE vllm:", "# HELP vllm:")):
        return _base(line.split(" ", 3)[2]) in _WANTED
    return line.startswith("vllm:") and _base(line.split("{", 1)[0].split(" ", 1)[0]) in _WANTED


def _base(name: str) -> str:
    for suffix in _SUFFIXES:
        if suffix and name.endswith(suffix) and name[: -len(suffix)] in _WANTED:
            return name[: -len(suffix)]
    return name


def _values(family: Metric, suffix: str = "") -> Iterable[float]:
    return (sample.value for sample in family.samples if sample.name.endswith(suffix))


def _total(family: Metric) -> float | None:
    """The sum over engines (data parallel replicas have one sample each)."""
    values = [value for value in _values(family) if 0 <= value < math.inf]
    return sum(values) if values else None


def _mean(family: Metric) -> float | None:
    values = [value for value in _values(family) if 0 <= value <= 1]
    return sum(values) / len(values) if values else None


def _counters(families: dict[str, Metric]) -> EngineCounters:
    figures: dict[str, float | Histogram | None] = {}
    for name, field in _COUNTERS.items():
        if name in families:
            samples = [
                sample.value
                for sample in families[name].samples
                if not sample.name.endswith("_created") and math.isfinite(sample.value)
            ]
            figures[field] = sum(samples) if samples else None
    for name, field in _HISTOGRAMS.items():
        if name in families:
            figures[field] = _histogram(families[name])
    return EngineCounters(**figures)  # type: ignore[arg-type]


def _histogram(family: Metric) -> Histogram:
    buckets: defaultdict[float, float] = defaultdict(float)
    total = count = 0.0
    for sample in family.samples:
        if not math.isfinite(sample.value):
            continue
        if sample.name.endswith("_bucket"):
            bound = finite(sample.labels.get("le"))
            if bound is not None:
                buckets[bound] += sample.value
        elif sample.name.endswith("_sum"):
            total += sample.value
        elif sample.name.endswith("_count"):
            count += sample.value
    return Histogram(buckets=tuple(sorted(buckets.items())), total=total, count=count)


def _pool(families: dict[str, Metric]) -> tuple[int | None, float | None]:
    """The KV pool's tokens and largest concurrency, from the labels of the info metric."""
    info = families.get(_INFO)
    if info is None or not info.samples:
        return None, None
    labels = info.samples[0].labels
    tokens = finite(labels.get("kv_cache_size_tokens"))
    return (
        None if tokens is None else round(tokens),
        finite(labels.get("kv_cache_max_concurrency")),
    )


def _model(families: dict[str, Metric]) -> str | None:
    for family in families.values():
        for sample in family.samples:
            if name := sample.labels.get("model_name"):
                return str(name)
    return None
