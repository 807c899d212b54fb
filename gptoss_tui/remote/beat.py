"""The moments at which a box's GPU figures come, so that the figures of its servers come with them.

What comes together is drawn together: one picture in a second, not two.
"""

from __future__ import annotations

import asyncio

from gptoss_tui.remote.pulse import Pulse

NEAR = 0.25  # of a period: so much earlier or later a pause ends for the sake of a beat


class Beat:
    """`strike` when figures came; `pause` between two scrapes."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._struck_at: float | None = None
        self._struck = asyncio.Event()

    def strike(self) -> None:
        """Figures came just now."""
        self._struck_at = self._pulse.seconds()
        self._struck.set()
        self._struck = asyncio.Event()

    async def pause(self, began: float, period_s: float) -> None:
        """Until about `period_s` after `began` (both by the pulse): where there is a beat, until it."""
        due = began + period_s
        now = self._pulse.seconds()
        if self._struck_at is None or now - self._struck_at > 2 * period_s:
            await self._pulse.sleep(max(0.0, due - now))
            return
        await self._pulse.sleep(max(0.0, due - NEAR * period_s - now))
        beat = asyncio.ensure_future(self._struck.wait())
        late = asyncio.ensure_future(self._pulse.sleep(2 * NEAR * period_s))
        try:
            await asyncio.wait({beat, late}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            beat.cancel()
            late.cancel()
            await asyncio.gather(beat, late, return_exceptions=True)
