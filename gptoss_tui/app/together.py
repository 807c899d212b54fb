"""Figures that come at the same moments are drawn at the same moment: each picture costs by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT_S = 0.2  # so long a part waits for another one that is due


class Together:
    """Collects the parts that have news, and draws them when no other one is due about now.

    `later` calls back after so many seconds; `clock` tells seconds.
    """

    def __init__(
        self,
        draw: Callable[[frozenset[str]], None],
        later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._draw = draw
        self._later = later
        self._clock = clock
        self._came_at: dict[str, float] = {}
        self._next_at: dict[str, float] = {}
        self._news: set[str] = set()
        self._waits = False

    def add(self, part: str) -> None:
        """Something new of `part` came."""
        now = self._clock()
        if part in self._came_at:
            self._next_at[part] = 2 * now - self._came_at[part]
        self._came_at[part] = now
        self._news.add(part)
        others = self._next_at.keys() - self._news
        if not any(abs(self._next_at[other] - now) < WAIT_S for other in others):
            self.flush()
        elif not self._waits:
            self._waits = True
            self._later(WAIT_S, self._late)

    def _late(self) -> None:
        self._waits = False
        self.flush()

    def flush(self) -> None:
        """Draw what waits."""
        news, self._news = frozenset(self._news), set()
        if news:
            self._draw(news)
