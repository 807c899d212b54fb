"""How long a pull still takes: what loads, and what is unpacked behind it, layer by layer.

Docker loads three layers at a time and unpacks them one after the other, the base first, each when
it has come whole (https://docs.docker.com/reference/cli/docker/image/pull/#concurrent-downloads).
"""

from __future__ import annotations

from collections.abc import Sequence

from gptoss_tui.domain.parse.docker_pull import Layer

AT_ONCE = 3
# Compressed bytes a second of gzip, SHA-256 and an SSD, until this box has shown its own speed.
FIRST_BYTES_PER_S, _FIRST_S = 40.0 * 1000**2, 2.0


class Unpacking:
    """How fast this box unpacks. Feed it the pull each second.

    `first`: compressed bytes a second to begin with, what this box did the last time.
    """

    def __init__(self, first: float | None = None) -> None:
        self._first = first or FIRST_BYTES_PER_S
        self._bytes = 0
        self._seconds = 0.0
        self._last: tuple[float, int] | None = None
        self._busy = 0  # for how many seconds on end

    def note(self, at: float, unpacked: int, busy: bool) -> None:
        """`unpacked` bytes were done by `at` (seconds), and some layer is being unpacked now."""
        if self._last is not None:
            then, before = self._last
            if at < then:
                return
            # By a clock of seconds only what goes on for some of them has a rate.
            if self._busy and (busy or (self._busy > 2 and unpacked > before)):
                self._seconds += at - then
                self._bytes += max(0, unpacked - before)
        self._busy = self._busy + 1 if busy else 0
        self._last = (at, unpacked)

    @property
    def seen(self) -> float | None:
        """What this box has shown in this pull; None where that is too little."""
        return self._bytes / self._seconds if self._seconds >= 3 and self._bytes else None

    @property
    def rate(self) -> float:
        """Compressed bytes a second."""
        return (self._first * _FIRST_S + self._bytes) / (_FIRST_S + self._seconds)


def left_s(layers: Sequence[Layer], rate: float, unpack_rate: float) -> float:
    """Seconds until the last layer is unpacked, at these rates (bytes a second, above 0)."""
    over = 0.0
    for layer, came in zip(layers, _arrivals([one.left for one in layers], rate), strict=True):
        if not layer.finished:
            over = max(over, came) + layer.packed / unpack_rate
    return over


def _arrivals(left: list[int], rate: float) -> list[float]:
    """When each layer has come whole: the first three share the rate, then the next moves up."""
    at, came = 0.0, [0.0] * len(left)
    rest = {n: float(size) for n, size in enumerate(left) if size}
    while rest:
        loading = list(rest)[:AT_ONCE]
        share = rate / len(loading)
        soonest = min(loading, key=lambda n: rest[n])
        step = rest[soonest]
        at += step / share
        for n in loading:
            rest[n] -= step
            if n == soonest or rest[n] <= 0:
                came[n] = at
                del rest[n]
    return came
