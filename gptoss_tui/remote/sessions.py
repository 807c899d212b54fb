"""The session channels of one connection: a budget, shrunk to what the box allows (MaxSessions).

Where it allows only one, commands take turns, and what would hold the one for long is refused with a
sentence: a stream, or the guard that a stream of data needs beside it. What can be asked again and
again instead catches `OneSessionError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncssh

from gptoss_tui.errors import CommandError, ConnectionLostError

SESSIONS = 6  # OpenSSH allows 10 by default; other tools of the user may share the connection

_ALLOW_MORE = "Let its sshd_config allow more (MaxSessions 10 is the default), then connect again."
# sshd counts a session until it has tidied up behind its end: what is refused so soon after one
# ended tells nothing of how many are allowed, and is asked for again.
SETTLE_S = 1.0
AGAIN_S = 0.1
_NOTED = "gptoss_tui_sessions"

# A look, a stream, and a command beside them: with fewer the app is slow, and `check` says why.
ENOUGH = 3

_T = TypeVar("_T")
Channel = asyncssh.SSHClientProcess[bytes] | asyncssh.SSHWriter[bytes]


class OneSessionError(CommandError):
    """Nothing can be followed there: the box allows one session at a time."""


def sessions_of(connection: asyncssh.SSHClientConnection) -> Sessions | None:
    """Whoever opens the sessions of this connection; None where nobody does."""
    found = connection.get_extra_info(_NOTED)
    return found if isinstance(found, Sessions) else None


class Sessions:
    """Opens and closes them. `slots` is the budget; `lost` puts an error of the library into words."""

    def __init__(
        self,
        name: str,
        connection: asyncssh.SSHClientConnection,
        slots: asyncio.Semaphore,
        lost: Callable[[Exception | None], ConnectionLostError],
    ) -> None:
        self._name = name
        self._connection = connection
        self._lost = lost
        self._slots = slots
        self._open = 0  # as the box counts them
        self._closed_at = -SETTLE_S  # the last one that was
        self._most = 0  # at once
        self._reapers: set[asyncio.Task[None]] = set()
        self._long: dict[Channel, None] = {}
        self.allowed = SESSIONS
        connection.set_extra_info(**{_NOTED: self})

    @property
    def single(self) -> bool:
        """The box allows one session at a time."""
        return self.allowed == 1

    def refusal(self) -> OneSessionError:
        """Why nothing can be streamed there."""
        return OneSessionError(
            f"{self._name} allows one session at a time (MaxSessions 1): "
            "commands take turns, and nothing can be followed.",
            _ALLOW_MORE,
        )

    def none_free(self, seconds: float) -> CommandError:
        """Why a command did not even begin."""
        return CommandError(
            f"{self._name} allows {self.allowed} sessions at a time (MaxSessions), "
            f"and none was free for {seconds:.0f} s.",
            _ALLOW_MORE,
        )

    async def open(self, opening: Callable[[], Awaitable[_T]]) -> _T:
        """Open a session channel. It is taken from the budget until `close` has closed it.

        An opening goes on to its end even when cancelled: a half-open channel is a lost slot. Where
        the box allows fewer sessions than our budget, the budget shrinks to what it allows.
        """
        while True:
            await self._slots.acquire()
            self._open += 1
            asked = time.monotonic()
            task = asyncio.ensure_future(opening())
            try:
                opened = await asyncio.shield(task)
                self._most = max(self._most, self._open)
                return opened
            except asyncio.CancelledError:
                task.add_done_callback(self._abandoned)
                raise
            except asyncssh.ChannelOpenError as error:
                self._open -= 1
                if not self._connection.is_closed() and self._closed_at > asked - SETTLE_S:
                    self._slots.release()
                    await asyncio.sleep(AGAIN_S)
                    continue
                if not self._open or self._connection.is_closed():
                    self._slots.release()
                    raise self._lost(error) from error
                # The slot is not given back; the next one that is closed makes room.
                self._shrink(self._open)
            except (asyncssh.Error, OSError) as error:
                self._free()
                raise self._lost(error) from error

    async def measure(self) -> None:
        """Find out whether the box allows `ENOUGH` at once, where so many never were open.

        Raises nothing: a connection that ends meanwhile has nothing to tell.
        """
        for pause_s in (0.0, SETTLE_S):  # only then does a refusal tell of how many are allowed
            await asyncio.sleep(pause_s)
            if self._most >= ENOUGH or self.allowed < ENOUGH or self._connection.is_closed():
                return
            allowed = await self._open_together(ENOUGH - self._open)
        if allowed < ENOUGH and not self._connection.is_closed():
            self._shrink(max(1, allowed))

    async def _open_together(self, count: int) -> int:
        """Open so many that do nothing, and close them; how many there were, with those before."""
        for _ in range(count):
            await self._slots.acquire()
            self._open += 1
        openings = (self._connection.create_process("true", encoding=None) for _ in range(count))
        opened = await asyncio.shield(asyncio.gather(*openings, return_exceptions=True))
        refused = [one for one in opened if isinstance(one, BaseException)]
        for _ in refused:
            self._open -= 1
            self._slots.release()
        there = self._open
        self._most = max(self._most, there)
        closing = [self.close(one) for one in opened if not isinstance(one, BaseException)]
        await asyncio.gather(*closing)
        return there

    def _shrink(self, allowed: int) -> None:
        self.allowed = min(self.allowed, allowed)
        if self.single:
            for channel in self._long:
                channel.close()

    def holds(self, channel: Channel) -> None:
        """This one stays open for as long as somebody likes: where there is one only, it goes."""
        self._long[channel] = None
        if self.single:
            channel.close()

    def _free(self) -> None:
        self._open -= 1
        self._closed_at = time.monotonic()
        self._slots.release()

    def _abandoned(self, task: asyncio.Future[Any]) -> None:
        """Nobody waits for this opening any more: close what it opened after all."""
        if task.cancelled() or task.exception() is not None:
            self._free()
        else:
            opened = task.result()
            self.close(opened[0] if isinstance(opened, tuple) else opened)

    def close(self, channel: Channel) -> asyncio.Task[None]:
        """Close a session channel; its slot is free again once the box has closed it too.

        That may take long where a program does not end: the box counts it as long.
        """
        self._long.pop(channel, None)
        channel.close()
        reaper = asyncio.create_task(_reap(channel), name=f"close channel of {self._name}")
        self.await_end(reaper)
        reaper.add_done_callback(lambda _: self._free())
        return reaper

    def await_end(self, task: asyncio.Task[None]) -> None:
        """A task that ends by itself with its channel: `aclose` waits for it."""
        self._reapers.add(task)
        task.add_done_callback(self._reapers.discard)

    async def aclose(self) -> None:
        """Until all that were closed are really closed."""
        await asyncio.gather(*self._reapers)


async def _reap(channel: Channel) -> None:
    with contextlib.suppress(asyncssh.Error, OSError):
        await channel.wait_closed()
