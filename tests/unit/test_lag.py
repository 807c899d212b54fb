"""How late something came, whatever the two clocks show."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.lag import Lag

Row = tuple[float, float]


def told(rows: Sequence[Row], lag: Lag | None = None) -> list[float]:
    """What is said of rows (the box's second, ours) of one stream."""
    lag, before, found = lag or Lag(), None, []
    for stamp, at in rows:
        found.append(lag.behind(stamp, at, before))
        before = stamp
    return found


@pytest.mark.parametrize("apart", [0.0, 7200.0, -1.8e9])
def test_how_far_the_clocks_are_apart_does_not_matter(apart: float) -> None:
    rows = [(float(second), second + 0.2) for second in range(5)]
    assert told([(stamp + apart, at) for stamp, at in rows]) == pytest.approx([0] * 5, abs=0.01)


def test_what_a_stall_held_up_is_as_late_as_it_was_held() -> None:
    rows = [(0, 0), (1, 1), (2, 22), (3, 22), (21, 22), (22, 22.1), (23, 23)]
    assert told(rows) == pytest.approx([0, 0, 20, 19, 1, 0.1, 0], abs=0.01)


def test_the_promptest_is_the_measure_also_when_it_comes_later() -> None:
    """The link was slow from the beginning on: what comes when it is quick again shows that."""
    assert told([(0, 5), (1, 6), (6, 6.1), (7, 12)]) == pytest.approx([0, 0, 0, 4.9], abs=0.01)


def test_another_stream_of_the_box_knows_what_was_learnt() -> None:
    lag = Lag()
    told([(0, 0), (1, 1)], lag)
    assert told([(2, 22), (3, 23)], lag) == pytest.approx([20, 20], abs=0.01)


def test_a_late_row_behind_a_prompt_answer_is_late_and_no_clock_that_was_set() -> None:
    lag = Lag()
    told([(0, 0)], lag)
    assert lag.behind(20, 20) == 0  # an answer that overtook the stream
    assert lag.behind(5, 20, 4) == pytest.approx(15, abs=0.01)


@pytest.mark.parametrize("jump", [-3600.0, -30.0, 30.0, 3600.0])
def test_a_box_whose_clock_is_set_is_not_late_for_ever(jump: float) -> None:
    rows = [(0, 0), (1, 1), *((second + jump, second) for second in range(2, 6))]
    assert told(rows)[2:] == pytest.approx([0] * 4, abs=0.01)
    assert told([*rows, (6 + jump, 16)])[-1] == pytest.approx(10, abs=0.01)


def test_a_clock_that_runs_slowly_is_not_late_after_a_week() -> None:
    rows = [(second * (1 - 1e-4), float(second)) for second in range(0, 7 * 86400, 600)]
    assert max(told(rows)) < 0.1


def test_a_clock_that_tells_nonsense_has_a_bound() -> None:
    lag = Lag()
    told([(2.5e11, 0)], lag)
    assert told([(1, 1), (2, 2)], lag) == [86_400, 86_400]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 100)), min_size=1, max_size=40))
def test_nothing_is_early_and_nothing_later_than_it_was(rows: list[Row]) -> None:
    ordered = sorted(rows)
    found = told([(stamp, stamp + delay) for stamp, delay in ordered])
    least = min(delay for _, delay in ordered)
    for said, (_, delay) in zip(found, ordered, strict=True):
        assert -1e-6 <= said <= delay - least + 1e-6
