"""How many logins run at once: four handshakes in all, four logins at one server.

A server counts a login from the moment it takes the connection (MaxStartups, 10:30:100 by default);
one that does not answer counts none. So a login waits outside for its server's first word, together
with many others, and enters only then: dead boxes hold up nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from types import TracebackType
from weakref import WeakValueDictionary

# More at once would trip the MaxStartups of a server that many logins go to.
HANDSHAKES = 4
# So many may dial, or wait with their connection open: a server's LoginGraceTime runs meanwhile.
DIALS = 64
# Whoever has heard nothing for so long does not count any more, until the server answers after all.
SILENT_S = 1.0
# A ProxyCommand may log in somewhere before a word of the box comes through, which takes longer.
PROXY_SILENT_S = 5.0


class Gate:
    """So many places, given in the order of asking."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for a place."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def force(self) -> None:
        """Take a place although none may be free: those to come wait the longer."""
        self._free -= 1

    def release(self) -> None:
        """Give a place back."""
        self._free += 1
        while self._free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._free -= 1
                turn.set_result(None)


class _Seat:
    """One place of a gate, or none; given back once."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held = False

    async def take(self) -> None:
        await self._gate.acquire()
        self._held = True

    def force(self) -> None:
        if not self._held:
            self._gate.force()
            self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._gate.release()


class Gates:
    """What all logins of a run share."""

    def __init__(self) -> None:
        self.handshakes = Gate(HANDSHAKES)
        self.dials = Gate(DIALS)
        self._servers: WeakValueDictionary[Hashable, Gate] = WeakValueDictionary()

    def server(self, key: Hashable) -> Gate:
        """The gate of one server, whatever the boxes are called that it is."""
        gate = self._servers.get(key)
        if gate is None:
            gate = self._servers[key] = Gate(HANDSHAKES)
        return gate


class Place:
    """One login's places; all of them are given up for good at its first question.

    Waiting for them again could make a server give up a login whose answer has been typed already.
    """

    def __init__(self, gates: Gates, server: Hashable, silent_s: float | None = None) -> None:
        self._server = _Seat(gates.server(server))
        self._dial = _Seat(gates.dials)
        self._handshake = _Seat(gates.handshakes)
        self._silent_s = SILENT_S if silent_s is None else silent_s
        self._reached = False
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Place:
        try:
            await self._server.take()
            await self._dial.take()
        except BaseException:
            self.leave()
            raise
        self._timer = asyncio.get_running_loop().call_later(self._silent_s, self._not_answered)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def reached(self) -> None:
        """The server took the connection: from now on it counts this login, so we do too."""
        self._reached = True
        self._server.force()

    async def answered(self) -> None:
        """The server says something: wait until it may be answered."""
        self._stop_timer()
        self.reached()
        await self._handshake.take()
        self._dial.leave()

    def leave(self) -> None:
        """Let the next ones in; the same again does nothing."""
        self._stop_timer()
        for seat in (self._handshake, self._dial, self._server):
            seat.leave()

    def _not_answered(self) -> None:
        self._dial.leave()
        if not self._reached:
            self._server.leave()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
