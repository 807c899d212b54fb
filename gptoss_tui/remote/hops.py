"""Jump hosts: one connection to each, shared by all boxes behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable

import asyncssh

# A hop that nobody uses any more is kept so long: a box that comes back, or whose host key was
# just accepted, does not ask for another login to it.
LINGER_S = 20.0
CLOSE_S = 2.0

Opening = Callable[[Callable[[], None]], Awaitable[asyncssh.SSHClientConnection]]


class Lease:
    """The use of a hop; given back once, however often `release` is called."""

    def __init__(self, connection: asyncssh.SSHClientConnection, done: Callable[[], None]) -> None:
        self.connection = connection
        self._done: Callable[[], None] | None = done

    def release(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()


class _Hop:
    def __init__(self) -> None:
        self.users = 0
        self.opening: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self.closing: asyncio.TimerHandle | None = None


class HopPool:
    """The hops of a run by what they lead to. Whoever comes while one is being opened waits for it.

    The loss of a hop ends the connections through it; the next one to ask opens it anew, once.
    """

    def __init__(self, linger_s: float = LINGER_S) -> None:
        self._linger_s = linger_s
        self._hops: dict[Hashable, _Hop] = {}
        self._last: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._hops)

    async def lease(self, key: Hashable, opening: Opening) -> Lease:
        """The hop of that key, connected. `opening` gets what to call when it is lost.

        Raises what `opening` raised, for everybody who waits.
        """
        hop = self._hops.get(key)
        if hop is None:
            hop = self._hops[key] = _Hop()
            hop.opening = asyncio.create_task(self._open(key, hop, opening), name=f"hop {key}")
        if hop.closing is not None:
            hop.closing.cancel()
            hop.closing = None
        hop.users += 1
        assert hop.opening is not None
        try:
            connection = await asyncio.shield(hop.opening)
        except BaseException:
            self._release(key, hop)
            raise
        return Lease(connection, lambda: self._release(key, hop))

    async def _open(
        self, key: Hashable, hop: _Hop, opening: Opening
    ) -> asyncssh.SSHClientConnection:
        try:
            return await opening(lambda: self._forget(key, hop))
        except BaseException:
            self._forget(key, hop)
            raise

    def _forget(self, key: Hashable, hop: _Hop) -> None:
        if self._hops.get(key) is hop:
            del self._hops[key]

    def _release(self, key: Hashable, hop: _Hop) -> None:
        hop.users -= 1
        if hop.users:
            return
        opening = hop.opening
        if opening is not None and not opening.done():
            opening.cancel()  # nobody waits for it any more
            self._forget(key, hop)
        elif self._hops.get(key) is hop:
            loop = asyncio.get_running_loop()
            hop.closing = loop.call_later(self._linger_s, self._close, key, hop)

    def _close(self, key: Hashable, hop: _Hop) -> None:
        self._forget(key, hop)
        task = asyncio.create_task(_end(hop), name=f"close hop {key}")
        self._last.add(task)
        task.add_done_callback(self._last.discard)

    async def aclose(self) -> None:
        """End all hops, whoever uses them."""
        for key, hop in tuple(self._hops.items()):
            if hop.closing is not None:
                hop.closing.cancel()
            self._close(key, hop)
        await asyncio.gather(*self._last)


async def _end(hop: _Hop) -> None:
    assert hop.opening is not None
    if not hop.opening.done():
        hop.opening.cancel()
    (opened,) = await asyncio.gather(hop.opening, return_exceptions=True)
    if isinstance(opened, asyncssh.SSHClientConnection):
        opened.close()
        with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(CLOSE_S):
                await opened.wait_closed()
