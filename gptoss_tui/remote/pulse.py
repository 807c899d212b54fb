"""The time that paces streams and measures answers: real, unless pictures or tests bring their own."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Pulse(Protocol):
    """`seconds` from some fixed moment on; the simulated box's clocks are such ones too."""

    def seconds(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class RealPulse:
    """This machine's own time."""

    def seconds(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


REAL = RealPulse()
