"""From two scrapes to rates and quantiles."""

from __future__ import annotations

import math

from gptoss_tui.domain.serving import EngineCounters, EngineRates, Histogram, Quantiles


def rates(
    before: EngineCounters, after: EngineCounters, seconds: float
) -> tuple[EngineRates | None, bool]:
    """Rates over `seconds` between two scrapes, and whether the server was restarted in between.

    After a restart counters begin anew: there is no rate then, rather than a negative one.
    """
    if seconds <= 0:
        return None, False
    if _went_back(before, after):
        return None, True
    queries = _difference(before.prefix_queries, after.prefix_queries)
    hits = _difference(before.prefix_hits, after.prefix_hits)
    return (
        EngineRates(
            interval_s=seconds,
            prompt_tokens_per_s=_per(seconds, before.prompt_tokens, after.prompt_tokens),
            generation_tokens_per_s=_per(
                seconds, before.generation_tokens, after.generation_tokens
            ),
            finished_per_s=_per(seconds, before.finished, after.finished),
            prefix_hit_ratio=hits / queries if queries and hits is not None else None,
            ttft=_quantiles(before.ttft, after.ttft),
            inter_token=_quantiles(before.inter_token, after.inter_token),
            e2e=_quantiles(before.e2e, after.e2e),
        ),
        False,
    )


def _went_back(before: EngineCounters, after: EngineCounters) -> bool:
    pairs = (
        (before.prompt_tokens, after.prompt_tokens),
        (before.generation_tokens, after.generation_tokens),
        (before.finished, after.finished),
    )
    return any(old is not None and new is not None and new < old for old, new in pairs)


def _difference(old: float | None, new: float | None) -> float | None:
    return None if old is None or new is None else new - old


def _per(seconds: float, old: float | None, new: float | None) -> float | None:
    difference = _difference(old, new)
    return None if difference is None else difference / seconds


def _quantiles(old: Histogram | None, new: Histogram | None) -> Quantiles | None:
    """Of what was observed between the two; None where nothing was."""
    if new is None:
        return None
    base = dict(old.buckets) if old else {}
    finite = tuple((bound, count - base.get(bound, 0.0)) for bound, count in new.buckets)
    count = new.count - (old.count if old else 0.0)
    if count <= 0 or not finite:
        return None
    buckets = (*finite, (math.inf, count))
    return Quantiles(
        p50_s=quantile(0.50, buckets),
        p90_s=quantile(0.90, buckets),
        p99_s=quantile(0.99, buckets),
        mean_s=(new.total - (old.total if old else 0.0)) / count,
    )


def quantile(rank: float, buckets: tuple[tuple[float, float], ...]) -> float | None:
    """As PromQL's `histogram_quantile`: linear inside a bucket, the last finite bound above it.

    `buckets` are cumulative `(upper bound, count)`, sorted. `rank` is 0.0 to 1.0.
    """
    total = buckets[-1][1] if buckets else 0.0
    if total <= 0:
        return None
    wanted = rank * total
    lower_bound = lower_count = 0.0
    for bound, count in buckets:
        if count >= wanted:
            if math.isinf(bound):
                return lower_bound
            inside = count - lower_count
            share = (wanted - lower_count) / inside if inside > 0 else 0.0
            return lower_bound + (bound - lower_bound) * share
        lower_bound, lower_count = bound, count
    return lower_bound
