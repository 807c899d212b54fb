"""What takes a minute of waiting rather than of work: side by side, each in a process of its own.

`make soak`, `make faults` and `python -m tests.real.pulled_cable` do the same for longer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

RUNS = {
    # What is counted is not what other tests have left, so that it needs a process anyway.
    "soak": ("tests.real.soak", "--seconds", "55"),
    "fault_run": (
        *("tests.real.fault_run", "--boxes", "2", "--faults", "12", "--seed", "3"),
        *("--long", "0", "--longest", "5", "--hurry"),
    ),
    "pulled_cable": ("tests.real.pulled_cable", "--seconds", "40"),
}
pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("_parts")]


class Run:
    """One of them; its files take what it says, for nobody reads while another is waited for."""

    def __init__(self, name: str, folder: Path) -> None:
        self._out, self._err = folder / f"{name}.json", folder / f"{name}.log"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *RUNS[name]], stdout=out, stderr=err
            )

    def outcome(self) -> dict[str, Any]:
        """Wait for its end. Fails with all that it said."""
        code = self.process.wait(300)
        told = f"exit {code}\n{self._out.read_text()}\n{self._err.read_text()[-6000:]}"
        assert code == 0, told
        found: dict[str, Any] = json.loads(self._out.read_text())
        assert found["wrong"] == [], told
        return found


@pytest.fixture(scope="module")
def runs(_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    folder = tmp_path_factory.mktemp("runs")
    with ExitStack() as stack:
        started = {}
        for name in RUNS:
            started[name] = run = Run(name, folder)
            stack.callback(run.process.wait)
            stack.callback(run.process.kill)
        yield started


def test_a_minute_of_broken_connections(runs: dict[str, Run]) -> None:
    outcome = runs["soak"].outcome()
    assert outcome["breaks"] >= 4
    assert outcome["lines"] > 200


def test_a_dozen_random_faults_over_two_boxes(runs: dict[str, Run]) -> None:
    outcome = runs["fault_run"].outcome()
    assert sum(outcome["happened"].values()) == 12
    assert outcome["losses"] > 0


def test_a_cable_that_is_pulled(runs: dict[str, Run]) -> None:
    """Longer than the 30 s after which a connection is given up; beside it a change of Wi-Fi."""
    outcome = runs["pulled_cable"].outcome()
    assert outcome["degraded_s"] < outcome["lost_s"] < outcome["nothing_left_s"] <= 60
    assert outcome["lost_s"] > 25
    assert outcome["tokens_across_wifi"] > 30
