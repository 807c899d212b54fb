"""Figures that come at the same moments are drawn in one picture, and never wait for long."""

from __future__ import annotations

from collections.abc import Callable

from gptoss_tui.app.together import WAIT_S, Together


class Screen:
    """What was drawn when; a timer is called when its time has come."""

    def __init__(self) -> None:
        self.now = 0.0
        self.drawn: list[tuple[float, set[str]]] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self.figures = Together(self._draw, self._later, lambda: self.now)

    def _draw(self, news: frozenset[str]) -> None:
        self.drawn.append((round(self.now, 2), set(news)))

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        self._timers.append((self.now + seconds, callback))

    def come(self, *arrivals: tuple[float, str]) -> list[tuple[float, set[str]]]:
        """What is drawn from the first of these arrivals on."""
        self.drawn.clear()
        for at, part in arrivals:
            self._pass(at)
            self.figures.add(part)
        self._pass(self.now + 1)
        return self.drawn

    def _pass(self, until: float) -> None:
        for due, callback in sorted(self._timers, key=lambda timer: timer[0]):
            if due <= until:
                self.now = due
                callback()
        self._timers = [timer for timer in self._timers if timer[0] > until]
        self.now = until


def test_the_first_figures_wait_for_nothing() -> None:
    assert Screen().come((0, "gpus"), (0.1, "engine")) == [(0, {"gpus"}), (0.1, {"engine"})]


def test_what_comes_together_is_drawn_together() -> None:
    screen = Screen()
    screen.come((0, "gpus"), (0.05, "engine"), (1, "gpus"), (1.05, "engine"))
    assert screen.come((2, "gpus"), (2.05, "engine")) == [(2.05, {"gpus", "engine"})]
    assert screen.come((3, "engine"), (3.06, "gpus")) == [(3.06, {"gpus", "engine"})]


def test_what_comes_at_other_moments_is_drawn_at_once() -> None:
    screen = Screen()
    screen.come((0, "gpus"), (0.5, "engine"), (1, "gpus"), (1.5, "engine"))
    assert screen.come((2, "gpus"), (2.5, "engine")) == [(2, {"gpus"}), (2.5, {"engine"})]


def test_one_that_does_not_come_is_not_waited_for_twice() -> None:
    screen = Screen()
    screen.come((0, "gpus"), (0.05, "engine"), (1, "gpus"), (1.05, "engine"))
    drawn = screen.come((2, "gpus"), (3, "gpus"), (4, "gpus"))
    assert drawn == [(2 + WAIT_S, {"gpus"}), (3, {"gpus"}), (4, {"gpus"})]
