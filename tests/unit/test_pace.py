"""Rates and stalls: true at a steady rate, and steady where bytes come in bursts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.pace import LEAST_S, STALLED_S, WINDOW_S, Pace


@given(st.integers(1, 10**9), st.integers(4, 200))
def test_a_steady_rate_is_found(rate: int, seconds: int) -> None:
    pace = Pace()
    for second in range(seconds):
        pace.note(second, rate * second)
    assert pace.rate == pytest.approx(rate)
    assert pace.stalled_s is None


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 10**9)), max_size=60), st.floats(0, 200))
def test_a_rate_is_within_what_came_and_a_stall_is_one(
    steps: list[tuple[float, int]], grace: float
) -> None:
    pace, at, moved = Pace(grace), 0.0, 0
    for pause, size in steps:
        at, moved = at + pause, moved + size
        pace.note(at, moved)
        fastest = moved / LEAST_S
        assert pace.rate is None or 0 < pace.rate <= fastest
        assert pace.rate is None or pace.stalled_s is None
        assert pace.stalled_s is None or STALLED_S <= pace.stalled_s <= at


def test_a_clock_or_a_count_that_goes_back_changes_nothing() -> None:
    pace = Pace()
    for at, moved in ((0, 0), (5, 50), (3, 90), (6, 10), (10, 100)):
        pace.note(at, moved)
    assert pace.rate == 10


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    pace = Pace()
    for second in range(100):
        pace.note(second, 1000 * second)
    for second in range(100, 100 + int(WINDOW_S) + 1):
        pace.note(second, 99_000 + 10 * (second - 99))
    assert pace.rate == pytest.approx(10)


def test_a_stall_is_told_ends_with_a_byte_and_does_not_count_in_the_rate() -> None:
    pace = Pace()
    for second in range(10):
        pace.note(second, 100 * second)
    for second in range(10, 45):
        pace.note(second, 900)
    assert (pace.stalled_s, pace.rate) == (35, None)
    for second in range(45, 50):
        pace.note(second, 900 + 100 * (second - 44))
    assert pace.stalled_s is None
    assert pace.rate == pytest.approx(100)


@pytest.mark.parametrize("factor", [0.2, 0.5, 2.0, 5.0])
def test_a_rate_that_changes_is_followed_in_some_seconds(factor: float) -> None:
    pace, moved = Pace(), 0.0
    for second in range(60):
        moved += 1000 * (1.0 if second < 50 else factor)
        pace.note(second, round(moved))
    assert pace.rate == pytest.approx(1000 * factor, rel=0.15)


def test_one_burst_is_no_change() -> None:
    pace, moved = Pace(), 0
    for second in range(60):
        moved += 4000 if second % 4 == 0 else 0
        pace.note(second, moved)
        if second > 30:
            assert pace.rate == pytest.approx(1000, rel=0.15)


def test_bursts_have_the_rate_that_they_have_together() -> None:
    """As of a client that writes 30 MiB at once, every four seconds."""
    pace = Pace()
    for second in range(30):
        pace.note(second, 30 * (second // 4))
        if second >= 8:
            assert pace.rate == pytest.approx(7.5)


def test_a_pause_changes_no_rate_until_it_is_long() -> None:
    pace = Pace()
    for second in range(20):
        pace.note(second, 100 * second)
    for second in range(20, 26):
        pace.note(second, 1900)
        assert pace.rate == pytest.approx(100)
    pace.note(26, 1900)
    assert (pace.rate, pace.stalled_s) == (None, None)


def test_the_time_before_the_first_byte_is_in_no_rate() -> None:
    pace = Pace(grace_s=180)
    pace.note(0, 0)
    for second in range(60, 66):
        pace.note(second, 100 * (second - 59))
    assert pace.rate == pytest.approx(100)


def test_how_sure_a_rate_is_grows_with_its_seconds() -> None:
    pace, seen = Pace(), []
    for second in range(1, 31):
        pace.note(second, 100 * second)
        seen.append(pace.unsure)
    assert all(later <= earlier for earlier, later in pairwise(seen[1:]))
    assert seen[2] == 1.25
    assert seen[-1] < 1.05


def test_what_comes_after_a_break_has_a_rate_of_its_own() -> None:
    pace = Pace()
    for second in range(10):
        pace.note(second, 1000 * second)
    pace.begin_again()
    assert pace.rate is None
    for second in range(14, 20):
        pace.note(second, 9000 + 100 * (second - 13))
    assert pace.rate == pytest.approx(100)


def test_work_without_bytes_is_no_stall() -> None:
    pace = Pace()
    for second in range(60):
        pace.note(second, 0, second)
    assert pace.stalled_s is None
    assert pace.rate is None


def test_the_first_byte_may_take_its_time() -> None:
    pace = Pace(grace_s=120)
    pace.note(0, 0)
    pace.note(100, 0)
    assert pace.stalled_s is None
    pace.note(121, 0)
    assert pace.stalled_s == 121
