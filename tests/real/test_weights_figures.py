"""The time left is true while the real client fetches a model into the box's cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real import hub_image
from tests.real.box import RealBox
from tests.real.cli import Cli
from tests.real.weights_figures import Way, forget, measure


@pytest.fixture
def fetching(box: RealBox, _parts: Path) -> Iterator[RealBox]:
    hub_image.build(box, _parts)
    forget(box)
    yield box
    forget(box)


def test_the_time_left_is_true_where_the_client_holds_what_it_receives(
    fetching: RealBox, ssh: Cli, tmp_path: Path
) -> None:
    """Xet storage, after a download that was killed half-way."""
    way = Way(total_mib=120, rate_mib=6, xet=True, left_over=True)
    found = measure(fetching, ssh, tmp_path, way)
    assert (found.went_back, found.at_100) == (0, 0), found.words()
    assert found.stalled_s == 0, found.words()
    assert found.shown_rate_off < 0.25, found.words()
    # A machine that is busy with other tests is slow to write what has come.
    assert found.median_error is not None, found.words()
    assert found.median_error < 0.4, found.words()
    assert len(found.errors) > 0.5 * found.seconds, found.words()


def test_a_connection_that_breaks_and_one_that_stands_still(
    fetching: RealBox, ssh: Cli, tmp_path: Path
) -> None:
    """Plain HTTP: the client goes on where it was cut off, and nothing jumps."""
    way = Way(total_mib=70, rate_mib=9, xet=False, cut=True, stall_s=23)
    found = measure(fetching, ssh, tmp_path, way)
    assert (found.went_back, found.at_100) == (0, 0), found.words()
    assert found.stalled_s >= 15, found.words()
