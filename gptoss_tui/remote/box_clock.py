"""Whether a box's clock was set back: what it shows, against a clock of ours that is never set."""

from __future__ import annotations

from collections.abc import Callable

from gptoss_tui.remote.pulse import REAL

_RESOLUTION = 10**9  # what the box tells are whole seconds


class BoxClock:
    """Compares what a box tells at different times; nanoseconds are its, seconds are ours."""

    def __init__(self, clock: Callable[[], float] = REAL.seconds) -> None:
        self.clock = clock
        self._ahead: int | None = None  # of ours, at least

    def was_set_back(self, box_now: int, asked: float) -> bool:
        """Since the last such question. `asked`: when the box was asked, which has answered now.

        It is told only of what is certain: an answer may have been on its way for long.
        """
        before, self._ahead = self._ahead, box_now - int(self.clock() * 10**9)
        at_most = box_now + _RESOLUTION - int(asked * 10**9)
        return before is not None and at_most < before
