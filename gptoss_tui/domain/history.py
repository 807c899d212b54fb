"""A bounded series of values over time, with gaps where nothing was known."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

Point = tuple[datetime, float | None]


class Series:
    """The last `capacity` values. None is a gap: drawn as one, and left out of every figure."""

    def __init__(self, capacity: int = 600) -> None:
        self._points: deque[Point] = deque(maxlen=capacity)

    def append(self, at: datetime, value: float | None) -> None:
        self._points.append((at, value))

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points)

    @property
    def latest(self) -> float | None:
        """The newest value, None when it is a gap or there is none."""
        return self._points[-1][1] if self._points else None

    @property
    def latest_at(self) -> datetime | None:
        return self._points[-1][0] if self._points else None

    def values(self, count: int | None = None) -> list[float | None]:
        """The newest `count` values (all by default), oldest first."""
        newest = islice(reversed(self._points), max(0, count) if count is not None else None)
        return [value for _, value in newest][::-1]

    def known(self) -> list[float]:
        return [value for _, value in self._points if value is not None]

    def minimum(self) -> float | None:
        return min(self.known(), default=None)

    def maximum(self) -> float | None:
        return max(self.known(), default=None)

    def mean(self) -> float | None:
        known = self.known()
        return sum(known) / len(known) if known else None

    def columns(self, count: int) -> list[float | None]:
        """The whole series as `count` columns, each the largest value of its share of the points.

        The largest, not the mean: a short queue must not vanish when the window is long.
        """
        values = self.values()
        if len(values) <= count:
            return values
        shares: list[float | None] = []
        for column in range(count):
            share = values[column * len(values) // count : (column + 1) * len(values) // count]
            shares.append(max((value for value in share if value is not None), default=None))
        return shares

    def lasting(self, at_least: float, *, above: bool = True) -> float:
        """For how many seconds, up to now, every known value was above (or at most) `at_least`."""
        newest: datetime | None = None
        oldest: datetime | None = None
        for at, value in reversed(self._points):
            if value is None:
                continue
            if (value > at_least) is not above:
                break
            newest = newest or at
            oldest = at
        return (newest - oldest).total_seconds() if newest and oldest else 0.0
