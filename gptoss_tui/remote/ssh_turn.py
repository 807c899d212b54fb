"""Holding back a server's first words until its handshake may run.

asyncssh begins the handshake with the first line that arrives. A connection is the asyncio protocol
of its socket (or of the channel of its jump host), whose `data_received` is public: for one object
it is replaced, and put back once the turn has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncssh

# A version line and the first packet are 36 kB at most; what says more than that is no server.
_LIMIT = 65536


class Turn:
    """Nothing that arrives on `connection` reaches it before `allowed`, called at the first byte."""

    def __init__(
        self, connection: asyncssh.SSHClientConnection, allowed: Callable[[], Awaitable[None]]
    ) -> None:
        self._connection = connection
        self._allowed = allowed
        self._held = b""
        self._task: asyncio.Task[None] | None = None
        connection.data_received = self._received  # type: ignore[method-assign]

    def _received(self, data: bytes, datatype: int | None = None) -> None:
        self._held += data
        if len(self._held) > _LIMIT:
            # Not `abort`, which a login takes for its success.
            self._connection.connection_lost(asyncssh.ProtocolError("it says too much at once"))
        elif self._task is None:
            self._task = asyncio.create_task(self._pass_on(), name="turn of a handshake")

    async def _pass_on(self) -> None:
        await self._allowed()
        del self._connection.data_received  # the method of its class is there again
        self._connection.data_received(self._held)
        self._held = b""

    def stop(self) -> None:
        """The login is over: it waits for nothing any more."""
        if self._task is not None:
            self._task.cancel()
