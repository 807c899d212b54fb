"""Whether a box is still heard: up, degraded after 5 s of silence, lost after 30.

Measured, not guessed: every byte that arrives on the connection counts, and while nothing arrives a
keepalive asks for an answer every two seconds. So a quiet box stays up, and silence is noticed
although nobody reads or writes anything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import asyncssh

from gptoss_tui.domain.host import LinkState
from gptoss_tui.remote.reconnect import Clock, WakeDetector

KEEPALIVE_S = 2
DEGRADED_S = 5.0
LOST_S = 30.0
# After sleep the network is often another one: an old connection gets this long to answer.
AFTER_WAKE_S = 10.0
# A tick that comes this late was held up here (a stopped process, a busy loop), not by the box.
_LATE_S = 1.5
# asyncssh would end the connection itself after so many; later than we do, and without a reason.
_KEEPALIVES = 30

UP = LinkState(phase="up")


class LinkWatch:
    """The state of one connection. `heard` is called for what arrives, `tick` from time to time."""

    def __init__(
        self,
        name: str,
        give_up: Callable[[], None],
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
    ) -> None:
        self._name = name
        self._give_up = give_up
        self._clock = clock
        self._wakes = WakeDetector(wall, clock)
        self._limit = LOST_S
        self._heard = self._due = clock()
        self._changed = asyncio.Event()
        self.state = UP

    def heard(self) -> None:
        """Something arrived. Called for every packet: it has to be quick."""
        self._heard = self._clock()
        self._limit = LOST_S  # it answers after a sleep too: from now on it has its full time again
        if self.state is not UP and self.state.phase != "lost":
            self._set(UP)

    def tick(self) -> float:
        """Look at the clock; in how many seconds to do so again."""
        now = self._clock()
        if self._wakes.slept_s():
            self._limit = AFTER_WAKE_S
        if now - self._due > _LATE_S:
            self._heard = now  # what the box said meanwhile still waits in the socket
        silent = now - self._heard
        if self.state.phase == "lost":
            return LOST_S
        if silent >= self._limit:
            self.lost(f"{self._name} said nothing for {silent:.0f} s.", silent)
            self._give_up()
        elif silent >= DEGRADED_S:
            reason = f"Nothing came from {self._name} for {silent:.0f} s."
            self._set(LinkState(phase="degraded", reason=reason, silent_s=silent))
        pause = 1.0 if silent >= DEGRADED_S else DEGRADED_S - silent
        self._due = now + pause
        return pause

    def lost(self, reason: str, silent_s: float | None = None) -> None:
        """The connection ended. The first reason stays."""
        if self.state.phase != "lost":
            self._set(LinkState(phase="lost", reason=reason, silent_s=silent_s))

    def _set(self, state: LinkState) -> None:
        self.state = state
        self._changed.set()
        self._changed = asyncio.Event()

    async def changes(self) -> AsyncGenerator[LinkState, None]:
        """The state now, then each change of it, until it is lost."""
        while True:
            state, changed = self.state, self._changed
            yield state
            if state.phase == "lost":
                return
            if state is self.state:
                await changed.wait()


async def watch(connection: asyncssh.SSHClientConnection, link: LinkWatch) -> None:
    """Keep `link` true to `connection` until that ends."""
    listen(connection, link.heard)
    connection.set_keepalive(KEEPALIVE_S, _KEEPALIVES)
    ended = asyncio.ensure_future(connection.wait_closed())
    try:
        while not ended.done():
            await asyncio.wait({ended}, timeout=link.tick())
    finally:
        ended.cancel()
        link.lost("The connection was lost; what runs on the box goes on.")


def listen(connection: asyncssh.SSHClientConnection, heard: Callable[[], None]) -> None:
    """Call `heard` for everything that arrives on `connection`.

    asyncssh tells of no such moment. A connection is the asyncio protocol of its socket (or of the
    channel of its jump host), whose `data_received` is public: it is wrapped, for this one object.
    """
    receive = connection.data_received

    def received(data: bytes, datatype: int | None = None) -> None:
        heard()
        receive(data, datatype)

    connection.data_received = received  # type: ignore[method-assign]
