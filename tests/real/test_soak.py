"""The soak, for a minute; `make soak` does the same for as long as one likes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.real.as_app import Lines
from tests.real.soak import Counted, Outcome


@pytest.mark.usefixtures("_parts")
def test_a_minute_of_broken_connections() -> None:
    """In a process of its own: what is counted is not what other tests have left."""
    argv = [sys.executable, "-m", "tests.real.soak", "--seconds", "55"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    outcome = json.loads(done.stdout)
    assert outcome["wrong"] == []
    assert outcome["breaks"] >= 4
    assert outcome["lines"] > 200


def test_what_grows_is_seen() -> None:
    counted = [Counted(n, 10**8, 50_000, 13, 13 + n, 10) for n in range(9)]
    grown = Outcome(60, counted=counted).growth()
    assert grown == {"rss": 0, "objects": 0, "tasks": 0, "files": 6, "remote": 0}


def test_a_line_twice_or_never_is_seen() -> None:
    lines = Lines()
    for number in (0, 1, 1, 2, 4):
        lines.take(f"{number} said")
    assert lines.expected == 5
    assert lines.wrong == ["line 1 came where 2 was next", "line 4 came where 3 was next"]
