"""When to connect again after a loss. Pure: clocks and chance are given, so no test has to wait."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from gptoss_tui.errors import (
    AuthError,
    BoxError,
    ConnectionLostError,
    HostKeyError,
    UnknownNameError,
)

Clock = Callable[[], float]

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
JITTER = 0.2  # so that many boxes behind one failed router do not come back in one instant
# A connection that ends sooner did not hold: its end counts as one more failure.
STEADY_S = 5.0
# The wall clock goes on while a laptop sleeps, the monotonic one does not (on Linux and macOS).
JUMP_S = 5.0
# Trying again by itself would lock the user out, or accept what he must look at first.
_FINAL = (AuthError, HostKeyError, UnknownNameError)


def may_retry(error: BaseException, *, was_up: bool = False) -> bool:
    """Whether this failure may pass by itself. A refusal, a key or a name does not.

    A name that did resolve (`was_up`) is not unknown: without a network no name resolves.
    """
    if was_up and isinstance(error, UnknownNameError):
        return True
    return isinstance(error, BoxError | ConnectionLostError) and not isinstance(error, _FINAL)


class Backoff:
    """The pauses between attempts: 1, 2, 4, 8, 15, then 30 s, each ± 20 %."""

    def __init__(self, clock: Clock = time.monotonic, chance: random.Random | None = None) -> None:
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter, no secret
        self._failures = 0
        self._up_since: float | None = None

    @property
    def failures(self) -> int:
        """Attempts in a row that came to nothing."""
        return self._failures

    def connected(self) -> None:
        """An attempt succeeded. Only a connection that holds makes the next pause short again."""
        self._up_since = self._clock()

    def pause(self) -> float:
        """An attempt failed, or a connection ended: how long to wait now, in seconds."""
        if self._up_since is not None and self._clock() - self._up_since >= STEADY_S:
            self._failures = 0
        self._up_since = None
        base = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        return base * self._chance.uniform(1 - JITTER, 1 + JITTER)

    def reset(self) -> None:
        """The user asked, or the laptop woke: what was before tells nothing."""
        self._failures = 0
        self._up_since = None


class WakeDetector:
    """Notices that this machine slept: its wall clock ran ahead of the monotonic one.

    A wall clock that was set looks the same; what follows (asking the box at once) does no harm.
    """

    def __init__(self, wall: Clock = time.time, monotonic: Clock = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._difference = wall() - monotonic()

    def slept_s(self) -> float:
        """For how long this machine slept since the last call; 0.0 when it did not."""
        now = self._wall() - self._monotonic()
        jump = now - self._difference
        self._difference = now
        return abs(jump) if abs(jump) > JUMP_S else 0.0
