"""The hub: every fact is stamped, cleaned and shown to every tap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.instance import LogLine, Notice

START = datetime(2026, 1, 1, tzinfo=UTC)


def _hub() -> Hub:
    ticks = count()
    return Hub(lambda: START + timedelta(seconds=next(ticks)))


def test_facts_count_per_box_and_carry_both_times() -> None:
    hub = _hub()
    box_time = START - timedelta(hours=1)
    one = hub.publish(Notice(text="a"), box="a")
    two = hub.publish(LogLine(text="b"), box="a", instance="s", box_time=box_time)
    other = hub.publish(Notice(text="c"), box="b")
    assert (one.seq, two.seq, other.seq) == (1, 2, 1)
    assert (one.our_time, two.our_time) == (START, START + timedelta(seconds=1))
    assert (one.box_time, two.box_time, two.instance) == (None, box_time, "s")


def test_every_tap_sees_every_fact_until_it_ends() -> None:
    hub, first, second = _hub(), list[AnyFact](), list[AnyFact]()
    end = hub.tap(first.append)
    hub.tap(second.append)
    made = hub.publish(Notice(text="a"), box="a")
    end()
    hub.admit(made)
    assert first == [made]
    assert second == [made, made]


def test_text_is_cleaned_on_its_way() -> None:
    fact = _hub().publish(LogLine(text="a\x1b]52;c;eA==\x07b\x1b[31m"), box="a")
    assert fact.body.text == "ab"


def test_a_tap_may_end_itself_while_it_is_called() -> None:
    hub, seen = _hub(), list[AnyFact]()
    ends: list[Callable[[], None]] = []

    def once(fact: AnyFact) -> None:
        seen.append(fact)
        ends[0]()

    ends.append(hub.tap(once))
    hub.tap(seen.append)
    hub.publish(Notice(text="a"), box="a")
    hub.publish(Notice(text="b"), box="a")
    assert [fact.seq for fact in seen] == [1, 1, 2]
