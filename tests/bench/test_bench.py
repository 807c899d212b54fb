"""The benchmark itself: that its figures are what they say, and that it still runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import openssh
from tests.bench.figures import compared, table
from tests.bench.lab import lab
from tests.bench.launching import launching
from tests.bench.overhead import NAMES, overhead


def test_a_longer_time_and_a_lower_rate_are_both_worse() -> None:
    slower = compared("a", "b", [3.0, 2.0, 9.0], [2.0, 2.0, 2.0], 1.4)
    assert (slower.ours, slower.ratio, slower.ok) == (3.0, 1.5, False)
    fewer = compared("a", "b", [400.0], [500.0], 1.05, unit="tokens/s")
    assert (fewer.ratio, fewer.ok) == (1.25, False)
    assert compared("a", "b", [600.0], [500.0], 1.05, unit="tokens/s").ok
    assert compared("for information", "b", [9.0], [1.0], None).ok
    assert "500.00 tokens/s" in table([fewer])


@pytest.mark.skipif(bool(openssh.missing()), reason=f"not installed: {openssh.missing()}")
def test_the_overhead_is_measured_on_an_sshd_of_its_own(tmp_path: Path) -> None:
    figures = list(overhead(set(NAMES), 1, tmp_path))
    assert len(figures) == 5
    assert all(figure.ours > 0 and figure.base for figure in figures)
    tokens = [figure for figure in figures if figure.unit == "tokens/s"]
    assert [round(figure.base or 0, -2) for figure in tokens] == [500]


def test_a_launch_is_measured_on_a_box_that_loads_in_no_time(tmp_path: Path) -> None:
    with lab(tmp_path, "--warm") as boxes:
        shown, ready = launching(boxes, 2)  # the second one finds the name and the port free again
    assert shown.ours > ready.ours > 0
    assert (shown.target, ready.target) == (2.0, None)
