"""Findings on the screen: what blocks in full, what is fine in one line."""

from __future__ import annotations

from gptoss_tui.app.preflight_text import finding_lines, step_one
from gptoss_tui.domain.host import Finding, Level


def finding(level: Level, topic: str, what: str = "It is so.", **more: str) -> Finding:
    return Finding(code=topic.lower(), level=level, what=what, topic=topic, **more)


BLOCKER = finding("blocker", "GPU runtime", "No toolkit.", do="Install it.", repair="toolkit")
WARNINGS = (finding("warning", "driver"), finding("warning", "disks"))
FINE = (finding("ok", "Docker"), finding("ok", "disks"), finding("ok", "clock"))


def test_the_page_has_all_that_matters_and_one_line_of_good_news() -> None:
    lines = [line.plain for line in finding_lines((BLOCKER, *WARNINGS, *FINE))]
    assert lines == [
        "✗ No toolkit. Install it.",
        "▲ It is so.",
        "▲ It is so.",
        "✓ fine: Docker, clock",  # of disks something is not
    ]


def test_step_one_names_the_key_that_mends() -> None:
    lines = [line.plain for line in step_one((BLOCKER, *WARNINGS, *FINE))]
    assert lines == [
        "✗ No toolkit. Install it. ctrl+r shows the repair.",
        "▲ 2 warnings about the box (driver, disks): its page says more",
    ]


def test_step_one_says_when_nothing_stands_in_the_way() -> None:
    assert [line.plain for line in step_one(FINE)] == [
        "✓ the box was checked: nothing stands in the way"
    ]
    assert step_one(()) == []
