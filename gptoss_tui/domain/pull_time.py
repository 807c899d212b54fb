"""How long a pull still takes: what loads, and what is unpacked behind it, layer by layer.

Docker loads three layers at a time and unpacks them one after the other, the base first, each when
it has come whole (https://docs.docker.com/reference/cli/docker/image/pull/#concurrent-downloads).
"""

from __future__ import annotations

from collections.abc import Sequence

from gptoss_tui.domain.parse.docker_pull import Layer

AT_ONCE = 3
# Compressed bytes a second of gzip, SHA-256 and an SSD, until this box has shown its own speed, and
# the factor by which a box may be quicker or slower than that; than the last time it is by less.
FIRST_BYTES_PER_S, _FIRST_S = 25.0 * 1000**2, 2.0
_FIRST_UNSURE, _AGAIN_UNSURE = 1.4, 1.2
# A layer takes some time however small it is, about that of so many bytes more.
EACH_BYTES = 8 * 1000**2
# A time left is told when it is known to that part of itself, or to so many seconds.
_GOOD, _GOOD_S = 0.25, 0.75


class Unpacking:
    """How fast this box unpacks. Feed it the pull each second.

    `first`: compressed bytes a second to begin with, what this box did the last time.
    """

    def __init__(self, first: float | None = None) -> None:
        self._first = first or FIRST_BYTES_PER_S
        self._first_unsure = _AGAIN_UNSURE if first else _FIRST_UNSURE
        self._bytes = 0
        self._seconds = 0.0
        self._last: tuple[float, int] | None = None
        self._busy = False
        self.waited_s = 0.0

    def note(self, at: float, unpacked: int, busy: bool) -> None:
        """`unpacked` bytes were done by `at` (seconds); `busy`: a layer is there to be unpacked.

        `waited_s` is for how long it has worked and told no bytes: Docker's image store of
        containerd tells them only when a layer is done.
        """
        if self._last is not None:
            then, before = self._last
            if at < then:
                return
            # The clock has whole seconds: what begins or ends within one has half of it in the mean.
            self.waited_s += (at - then) * (self._busy + busy) / 2
            if unpacked > before and self.waited_s:
                self._seconds += self.waited_s
                self._bytes += unpacked - before
            if unpacked > before or not busy:
                self.waited_s = 0.0
        self._busy = busy
        self._last = (at, unpacked)

    @property
    def seen(self) -> float | None:
        """What this box has shown in this pull; None where that is too little."""
        return self._bytes / self._seconds if self._seconds >= 3 and self._bytes else None

    @property
    def rate(self) -> float:
        """Compressed bytes a second."""
        return (self._first * _FIRST_S + self._bytes) / (_FIRST_S + self._seconds)

    @property
    def unsure(self) -> float:
        """The factor, above 1, by which it may be quicker or slower than `rate`."""
        return 1 + (self._first_unsure - 1) * _FIRST_S / (_FIRST_S + self._seconds)


def behind(layers: Sequence[Layer]) -> bool:
    """Whether the layer whose turn it is to be unpacked is there, so that its time counts."""
    for layer in layers:
        if not layer.finished:
            return bool(layer.size) and not layer.left
    return False


def worked_off(layers: Sequence[Layer]) -> int:
    """What this pull has unpacked, in bytes."""
    return sum(
        layer.unpacked + EACH_BYTES * (layer.finished and layer.unpacked > 0) for layer in layers
    )


def left_s(
    layers: Sequence[Layer], rate: float, unpack_rate: float, waited_s: float = 0.0
) -> float:
    """Seconds until the last layer is unpacked, at these rates (bytes a second, above 0).

    `waited_s`: for how long the one that is being unpacked has told no bytes.
    """
    over = 0.0
    for layer, came in zip(layers, _arrivals([one.left for one in layers], rate), strict=True):
        if layer.finished:
            continue
        takes = (layer.packed + EACH_BYTES) / unpack_rate
        if waited_s and not layer.left:
            # It is that much further; past its time, nobody knows how much more it needs.
            takes, waited_s = max(takes - waited_s, min(takes, waited_s / 10)), 0.0
        over = max(over, came) + takes
    return over


def known_left_s(
    layers: Sequence[Layer], rate: float, rate_unsure: float, unpacking: Unpacking
) -> float | None:
    """`left_s`; None while it is a guess, and once all layers are there and Docker has to end.

    `rate_unsure`: a factor, 1 or above.
    """
    if all(layer.finished for layer in layers):
        return None
    waited, unpack_rate = unpacking.waited_s, unpacking.rate
    least = left_s(layers, rate * rate_unsure, unpack_rate * unpacking.unsure, waited)
    most = left_s(layers, rate / rate_unsure, unpack_rate / unpacking.unsure, waited)
    left = left_s(layers, rate, unpack_rate, waited)
    return left if (most - least) / 2 <= max(_GOOD * left, _GOOD_S) else None


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
