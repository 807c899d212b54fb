"""Rates between scrapes, series with gaps, and the guide's thresholds in words."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.gpu import GpuSample, GpuSnapshot
from gptoss_tui.domain.health import engine_findings, gpu_findings
from gptoss_tui.domain.history import Series
from gptoss_tui.domain.rates import quantile, rates
from gptoss_tui.domain.serving import EngineCounters, EngineSnapshot, Histogram

START = datetime(2026, 1, 1, tzinfo=UTC)


def _at(second: float) -> datetime:
    return START + timedelta(seconds=second)


# --- rates --------------------------------------------------------------------------------------


def test_rates_are_differences_over_the_time_between() -> None:
    made, restarted = rates(
        EngineCounters(prompt_tokens=100, generation_tokens=10, finished=1, prefix_queries=100,
                       prefix_hits=50),
        EngineCounters(prompt_tokens=300, generation_tokens=10, finished=3, prefix_queries=200,
                       prefix_hits=125),
        4.0,
    )  # fmt: skip
    assert made is not None
    assert not restarted
    assert (made.prompt_tokens_per_s, made.generation_tokens_per_s) == (50, 0)
    assert (made.finished_per_s, made.prefix_hit_ratio, made.interval_s) == (0.5, 0.75, 4)


@pytest.mark.parametrize("field", ["prompt_tokens", "generation_tokens", "finished"])
def test_a_counter_that_went_back_is_a_restart_and_no_rate(field: str) -> None:
    before = EngineCounters(prompt_tokens=5, generation_tokens=5, finished=5)
    after = {"prompt_tokens": 9.0, "generation_tokens": 9.0, "finished": 9.0} | {field: 4.0}
    assert rates(before, EngineCounters(**after), 1.0) == (None, True)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_is_no_rate(seconds: float) -> None:
    assert rates(EngineCounters(), EngineCounters(), seconds) == (None, False)


def test_what_is_not_counted_has_no_rate() -> None:
    made, _ = rates(EngineCounters(prompt_tokens=1), EngineCounters(generation_tokens=2), 1)
    assert made is not None
    assert (made.prompt_tokens_per_s, made.generation_tokens_per_s) == (None, None)
    assert (made.prefix_hit_ratio, made.ttft) == (None, None)


def test_quantiles_are_of_the_interval_alone() -> None:
    before = Histogram(buckets=((0.1, 100.0), (1.0, 100.0)), total=5, count=100)
    after = Histogram(buckets=((0.1, 100.0), (1.0, 110.0)), total=12, count=110)
    made, _ = rates(EngineCounters(ttft=before), EngineCounters(ttft=after), 1)
    assert made is not None
    assert made.ttft is not None
    assert made.ttft.p50_s == pytest.approx(0.55)
    assert made.ttft.mean_s == pytest.approx(0.7)
    same, _ = rates(EngineCounters(ttft=after), EngineCounters(ttft=after), 1)
    assert same is not None
    assert same.ttft is None


def test_what_is_beyond_the_last_bound_counts_too() -> None:
    after = Histogram(buckets=((0.1, 1.0), (1.0, 1.0)), total=50, count=10)
    made, _ = rates(EngineCounters(), EngineCounters(ttft=after), 1)
    assert made is not None
    assert made.ttft is not None
    assert made.ttft.p90_s == 1.0


@pytest.mark.parametrize(
    ("rank", "value"), [(0.0, 0.0), (0.5, 0.1), (0.6, 0.46), (0.9, 1.0), (1.0, 1.0)]
)
def test_a_quantile_as_promql_has_it(rank: float, value: float) -> None:
    buckets = ((0.1, 10.0), (1.0, 15.0), (math.inf, 20.0))
    assert quantile(rank, buckets) == pytest.approx(value)
    assert quantile(0.5, ()) is None
    assert quantile(0.5, ((0.1, 0.0),)) is None


@given(
    st.lists(st.floats(0.001, 100), min_size=1, max_size=8, unique=True),
    st.lists(st.integers(0, 50), min_size=8, max_size=8),
    st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
def test_quantiles_are_ordered_and_inside(
    bounds: list[float], counts: list[int], a: float, b: float
) -> None:
    buckets, running = [], 0.0
    for bound, count in zip(sorted(bounds), counts, strict=False):
        running += count
        buckets.append((bound, running))
    low, high = (quantile(rank, tuple(buckets)) for rank in sorted((a, b)))
    assert (low is None) is (running == 0)
    if low is not None and high is not None:
        assert 0 <= low <= high + 1e-9
        assert high <= max(bounds)


# --- series -------------------------------------------------------------------------------------


def _series(*values: float | None, step: float = 1) -> Series:
    series = Series()
    for number, value in enumerate(values):
        series.append(_at(number * step), value)
    return series


def test_a_gap_is_in_no_figure() -> None:
    series = _series(1, None, 5)
    assert (series.minimum(), series.maximum(), series.mean()) == (1, 5, 3)
    assert (series.latest, len(series), series.latest_at) == (5, 3, _at(2))
    assert series.values() == [1, None, 5]
    assert _series(1, None).latest is None
    empty = Series()
    assert (empty.latest, empty.latest_at, empty.minimum(), empty.mean()) == (None,) * 4


def test_the_newest_values() -> None:
    assert _series(1, 2, 3).values(2) == [2, 3]
    assert _series(1, 2, 3).values(0) == []
    assert _series(1, 2, 3).values(9) == [1, 2, 3]


def test_a_series_is_bounded() -> None:
    series = Series(capacity=3)
    for number in range(10):
        series.append(_at(number), number)
    assert series.values() == [7, 8, 9]


def test_columns_keep_the_peak() -> None:
    series = _series(*[0] * 50, 9, *[0] * 49)
    assert max(value for value in series.columns(10) if value is not None) == 9
    assert _series(None, None, 1, None).columns(2) == [None, 1]


@given(st.lists(st.none() | st.floats(0, 100), max_size=60), st.integers(1, 30))
def test_columns_of_any_series(values: list[float | None], count: int) -> None:
    series = _series(*values)
    columns = series.columns(count)
    assert len(columns) == min(count, len(values))
    assert max((c for c in columns if c is not None), default=None) == series.maximum()


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ((1, 1, 1), 20), ((0, 1, 1), 10), ((1, 1, 0), 0), ((), 0), ((1,), 0),
        ((1, None, 1), 20), ((0, None, 1, 1), 10), ((1, 1, None), 10),
    ],
)  # fmt: skip
def test_how_long_it_lasts(values: tuple[float | None, ...], seconds: float) -> None:
    assert _series(*values, step=10).lasting(0) == seconds


# --- health -------------------------------------------------------------------------------------


def _codes(waiting: Series | None, usage: Series | None, **snapshot: bool) -> set[str]:
    history = {
        name: series
        for name, series in (("waiting", waiting), ("kv_cache_usage", usage))
        if series is not None
    }
    return {f.code for f in engine_findings(history, EngineSnapshot(**snapshot))}  # type: ignore[arg-type]


def test_a_queue_is_said_once_it_lasts() -> None:
    assert _codes(_series(1, 2, 3, step=10), None) == set()
    assert _codes(_series(1, 2, 3, 1, step=10), None) == {"queue"}
    assert _codes(_series(1, 2, 0, 1, step=10), None) == set()
    assert _codes(None, None) == set()


def test_a_full_cache_is_said_above_90_percent() -> None:
    assert _codes(None, _series(0.95, 0.95, 0.99, 0.91, step=10)) == {"kv_full"}
    assert _codes(None, _series(0.90, 0.90, 0.90, 0.90, step=10)) == set()


def test_health_and_restarts_are_said() -> None:
    assert _codes(None, None, healthy=False) == {"unhealthy"}
    assert _codes(None, None, healthy=True, restarted=True) == {"restarted"}


@pytest.mark.parametrize(("degrees", "hot"), [(None, False), (84, False), (85, True), (97, True)])
def test_a_hot_gpu_is_said(degrees: float | None, hot: bool) -> None:
    snapshot = GpuSnapshot(gpus=(GpuSample(index=3, gpu_temp_c=degrees),), source="dmon")
    found = gpu_findings(snapshot)
    assert bool(found) is hot
    assert all("GPU 3" in finding.what for finding in found)
