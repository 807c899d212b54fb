"""How fast bytes come, and since when none has come: pure, by the box's own clock."""

from __future__ import annotations

from collections import deque

# A rate is that of the last half minute: long enough to be steady. Where the last seconds are
# another matter altogether, it is theirs: the way has become slower or quicker.
WINDOW_S, RECENT_S, CHANGED = 30.0, 6.0, 1.5
LEAST_S = 2.0  # the clock of a launch has whole seconds
STALLED_S = 15.0


class Pace:
    """Feed it how many bytes have come in all, each second or so; times in seconds.

    `grace_s`: how long the first byte may take before its absence is a stall.
    """

    def __init__(self, grace_s: float = STALLED_S) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._came_at: float | None = None  # the last byte
        self._alive_at: float | None = None  # the last byte or sign
        self._grace_s = max(grace_s, STALLED_S)
        self._any = False
        self._anew = True
        self._signs = 0

    def note(self, at: float, moved: int, signs: int = 0) -> None:
        """`moved` bytes had come by `at`. What lies before the last sample is passed over.

        `signs` grows where work goes on that moves no bytes, such as unpacking.
        """
        samples = self._samples
        if samples and (at < samples[-1][0] or moved < samples[-1][1]):
            return
        if not samples:
            self._alive_at = at
        elif moved > samples[-1][1]:
            if self._anew or self.stalled_s is not None:
                # The time in which nothing came says nothing of the rate: it counts from here.
                samples.clear()
            self._anew, self._any = False, True
            self._came_at = self._alive_at = at
        elif signs > self._signs:
            self._any, self._alive_at = True, at
        self._signs = max(self._signs, signs)
        if samples and at == samples[-1][0]:
            samples.pop()  # the second goes on
        samples.append((at, moved))
        while len(samples) > 2 and at - samples[1][0] >= WINDOW_S:
            samples.popleft()
        self._forget()

    def begin_again(self) -> None:
        """What comes now comes another way: the rate until here says nothing of it."""
        while len(self._samples) > 1:
            self._samples.popleft()
        self._anew = True

    def _forget(self) -> None:
        """Drop what came before the rate changed: one burst, or one pause, is no change."""
        now = self._samples[-1][0]
        recent = [one for one in self._samples if now - one[0] <= RECENT_S]
        if now - recent[0][0] < RECENT_S - 1:
            return
        middle = min(recent, key=lambda one: abs(now - RECENT_S / 2 - one[0]))
        whole = _rate(self._samples[0], self._samples[-1])
        first, second = _rate(recent[0], middle), _rate(middle, recent[-1])
        if whole is None or first is None or second is None:
            return
        if min(first, second) > whole * CHANGED or max(first, second) < whole / CHANGED:
            self._samples = deque(recent)

    @property
    def rate(self) -> float | None:
        """Bytes per second; None while it is not known, and where nothing has come for a while.

        A short pause is no change: it is the rate up to the last byte.
        """
        if len(self._samples) < 2 or self._came_at is None or self._anew:
            return None
        now, moved = self._samples[-1]
        if now - self._came_at > RECENT_S:
            return None
        return _rate(self._samples[0], (self._came_at, moved))

    @property
    def unsure(self) -> float:
        """The factor, above 1, by which `rate` may be off: the clock has whole seconds."""
        if not self._samples or self._came_at is None:
            return 1.0
        return 1 + 0.5 / max(LEAST_S, self._came_at - self._samples[0][0])

    @property
    def stalled_s(self) -> float | None:
        """For how long nothing has come, where that is longer than a pause; else None."""
        if self._alive_at is None or not self._samples:
            return None
        silent = self._samples[-1][0] - self._alive_at
        return silent if silent >= (STALLED_S if self._any else self._grace_s) else None


def _rate(first: tuple[float, int], last: tuple[float, int]) -> float | None:
    (then, before), (now, after) = first, last
    if now - then < LEAST_S or after == before:
        return None
    return (after - before) / (now - then)
