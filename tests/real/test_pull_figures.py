"""The time left that a launch shows is true, and a pull that broke goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.box import RealBox, real_box
from tests.real.cli import Cli
from tests.real.pull_figures import measure
from tests.real.registry import registry
from tests.real.throttle import Throttle
from tests.real.truth import MIB

IMAGE = "lab/small:1"


@pytest.fixture(scope="module")
def way(_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Throttle]:
    with (
        registry(_parts / "registry", tmp_path_factory.mktemp("slow-registry")) as port,
        Throttle("0.0.0.0", ("127.0.0.1", port), 4 * MIB) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def slow_box(way: Throttle) -> Iterator[RealBox]:
    with real_box(way.port) as started:
        yield started


@pytest.fixture
def cli(slow_box: RealBox, tmp_path: Path) -> Iterator[Cli]:
    command = Cli(tmp_path)
    yield command
    command.end()
    slow_box.clear()


def test_the_time_left_is_true_and_nothing_goes_back(
    slow_box: RealBox, way: Throttle, cli: Cli
) -> None:
    found = measure(slow_box, way, cli, IMAGE)
    assert found.went_back == 0, found.words()
    assert found.at_100 == 0, found.words()
    assert found.shown_rate_off < 0.25, found.words()
    # A machine that is busy with other tests unpacks slowly, and tells that late.
    assert found.median_error is not None, found.words()
    assert found.median_error < 0.4, found.words()
    assert len(found.errors) > 0.4 * found.seconds, found.words()
