"""What the soak (`make soak`) calls wrong; `test_long_runs.py` runs it for a minute."""

from __future__ import annotations

from tests.real.as_app import Lines
from tests.real.soak import Counted, Outcome


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
