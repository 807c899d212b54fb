"""The way through a jump host: an opening that nobody waits for any more leaves nothing open there.

asyncssh forgets a channel whose opening was cancelled, also when the jump host opens it after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncssh


class Tunnel:
    """What asyncssh takes for a tunnel, over the connection of a hop."""

    def __init__(self, hop: asyncssh.SSHClientConnection) -> None:
        self._hop = hop

    async def create_connection(
        self, factory: Callable[[], Any], host: str, port: int
    ) -> tuple[asyncssh.SSHTCPChannel[bytes], Any]:
        """A channel to `host` and its session. Raises `asyncssh.ChannelOpenError`."""
        opening = asyncio.ensure_future(self._hop.create_connection(factory, host, port))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close)
            raise


def _close(opening: asyncio.Future[tuple[asyncssh.SSHTCPChannel[bytes], Any]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        channel, _ = opening.result()
        channel.abort()
