"""What an inference server says of itself in `/metrics`. Unknown is None, never 0."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.facts import Body


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Of a histogram over the last interval, in seconds; None where nothing was observed."""

    p50_s: float | None = None
    p90_s: float | None = None
    p99_s: float | None = None
    mean_s: float | None = None


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """A Prometheus histogram since the server's start: cumulative `(upper bound s, count)`.

    The bounds are finite (JSON has no infinity); `count` is that of the bucket without a bound.
    """

    buckets: tuple[tuple[float, float], ...] = ()
    total: float = 0.0
    count: float = 0.0


class EngineCounters(msgspec.Struct, frozen=True, kw_only=True):
    """Monotonic since the server's start: rates come from two of these."""

    prompt_tokens: float | None = None
    generation_tokens: float | None = None
    finished: float | None = None
    preemptions: float | None = None
    prefix_queries: float | None = None
    prefix_hits: float | None = None
    ttft: Histogram | None = None
    inter_token: Histogram | None = None
    e2e: Histogram | None = None


class EngineRates(msgspec.Struct, frozen=True, kw_only=True):
    """Between this scrape and the one before, over `interval_s` seconds."""

    interval_s: float
    prompt_tokens_per_s: float | None = None
    generation_tokens_per_s: float | None = None
    finished_per_s: float | None = None
    prefix_hit_ratio: float | None = None
    ttft: Quantiles | None = None
    inter_token: Quantiles | None = None
    e2e: Quantiles | None = None


class EngineSnapshot(Body, frozen=True, kw_only=True, tag="engine"):
    """One scrape. `kv_cache_usage` is 0.0 to 1.0; `restarted`: a counter went back since the last.

    `healthy` is what the health route said (None: not asked). `metrics` is False where the server
    serves no metrics at all, which is not the same as being idle.
    """

    healthy: bool | None = None
    metrics: bool = True
    model: str | None = None
    running: float | None = None
    waiting: float | None = None
    kv_cache_usage: float | None = None
    kv_cache_tokens: int | None = None
    kv_cache_max_concurrency: float | None = None
    counters: EngineCounters = EngineCounters()
    rates: EngineRates | None = None
    restarted: bool = False
