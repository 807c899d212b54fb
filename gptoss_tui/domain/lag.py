"""How late what a box told has arrived, by its own time stamps, whatever its clock shows."""

from __future__ import annotations

# What two clocks that nobody sets may drift apart, in s per s: a lag that grows so slowly is none.
DRIFT = 2e-4
# Stamps in whole seconds, of rows in their order: going back further, the clock was set.
SET_BACK_S = 1.5
# More is a clock that tells nonsense, and dates have an end.
MOST_S = 86_400.0


class Lag:
    """Judges each arrival by the one that lagged least.

    How far the two clocks are apart is unknown and does not matter: what came quickest tells it as
    well as can be. The first arrival cannot be judged, and counts as prompt.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._at = 0.0

    def behind(self, stamp: float, at: float, before: float | None = None) -> float:
        """How many seconds later than the promptest this arrived, a day at most.

        `stamp` is the box's clock in seconds, `at` ours (one that is never set), and `before` the
        stamp of the row in front of it.
        """
        ahead = stamp - at
        if self._ahead is None or (before is not None and stamp < before - SET_BACK_S):
            self._ahead = ahead
        else:
            self._ahead = max(ahead, self._ahead - DRIFT * (at - self._at))
        self._at = at
        return min(self._ahead - ahead, MOST_S)
