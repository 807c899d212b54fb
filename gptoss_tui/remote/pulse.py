"""The time that paces streams and measures answers: real, unless pictures or tests bring their own."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Pulse(Protocol):
    """`seconds` from some fixed moment on; the simulated box's clocks are such ones too."""

    def seconds(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


# It goes on while this machine sleeps; Linux's monotonic clock stands still then, macOS' does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class RealPulse:
    """This machine's own time."""

    def seconds(self) -> float:
        return time.clock_gettime(_CLOCK)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


REAL = RealPulse()
