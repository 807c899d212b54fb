"""When to connect again: pauses, what is never tried again, and waking up."""

from __future__ import annotations

import random

import pytest

from gptoss_tui.errors import (
    AuthError,
    BoxError,
    ChangedHostKeyError,
    ConnectionLostError,
    GptossError,
    UnknownHostKeyError,
    UnknownNameError,
    UnreachableError,
    UsageError,
)
from gptoss_tui.remote.reconnect import (
    JITTER,
    JUMP_S,
    PAUSES_S,
    STEADY_S,
    Backoff,
    WakeDetector,
    may_retry,
)

KEY = {"host": "h", "port": 22, "fingerprint": "SHA256:x", "key": "k"}


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Even(random.Random):
    """Chance that is always in the middle."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


def test_the_pauses_grow_to_half_a_minute() -> None:
    backoff = Backoff(Now(), Even())
    assert [backoff.pause() for _ in range(8)] == pytest.approx([1, 2, 4, 8, 15, 30, 30, 30])


def test_each_pause_is_off_by_at_most_a_fifth_and_not_the_same_for_all() -> None:
    first = [Backoff(Now(), random.Random(seed)).pause() for seed in range(200)]
    assert min(first) >= PAUSES_S[0] * (1 - JITTER)
    assert max(first) <= PAUSES_S[0] * (1 + JITTER)
    assert max(first) - min(first) > JITTER


def test_a_connection_that_held_makes_the_next_pause_short() -> None:
    now = Now()
    backoff = Backoff(now, Even())
    for _ in range(4):
        backoff.pause()
    backoff.connected()
    now.seconds += STEADY_S
    assert backoff.pause() == pytest.approx(1)
    assert backoff.pause() == pytest.approx(2)


def test_a_box_that_lets_in_and_drops_at_once_is_not_hammered() -> None:
    now = Now()
    backoff = Backoff(now, Even())
    pauses = []
    for _ in range(4):
        backoff.connected()
        now.seconds += 0.1
        pauses.append(backoff.pause())
    assert pauses == pytest.approx([1, 2, 4, 8])


def test_whoever_asks_starts_anew() -> None:
    backoff = Backoff(Now(), Even())
    for _ in range(5):
        backoff.pause()
    assert backoff.failures == 5
    backoff.reset()
    assert backoff.failures == 0
    assert backoff.pause() == pytest.approx(1)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (UnreachableError("x"), True),
        (ConnectionLostError("x"), True),
        (BoxError("x"), True),
        (AuthError("x"), False),
        (UnknownNameError("x"), False),
        (UnknownHostKeyError("x", **KEY), False),  # type: ignore[arg-type]
        (ChangedHostKeyError("x", **KEY), False),  # type: ignore[arg-type]
        (UsageError("x"), False),
        (RuntimeError("x"), False),
    ],
)
def test_a_refusal_is_never_tried_again(error: GptossError, again: bool) -> None:
    assert may_retry(error) is again


def test_sleep_shows_as_a_jump_between_the_clocks() -> None:
    wall, monotonic = Now(), Now()
    wakes = WakeDetector(wall, monotonic)
    for clock in (wall, monotonic):
        clock.seconds += 3600
    assert wakes.slept_s() == 0
    wall.seconds += JUMP_S - 0.1  # a clock that is being set right is no sleep
    assert wakes.slept_s() == 0
    wall.seconds += 600
    assert wakes.slept_s() == pytest.approx(600)
    assert wakes.slept_s() == 0  # told once
    wall.seconds -= 600  # set back by hand: looks the same, and does no harm
    assert wakes.slept_s() == pytest.approx(600)
