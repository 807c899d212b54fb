"""The transport of an SSH box: everything is a channel of one connection.

Measured traps that this file is built around (asyncssh 2.24): a cancelled `conn.run()` leaves the
command running and its session slot taken, a quiet command outlives its reader, one undecodable
byte kills the connection. So commands run under the watch script, whose end we control by closing
its standard input; opening is never cancelled half-way; everything is bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from typing import Any

import asyncssh
import httpcore

from gptoss_tui.domain.host import LinkState
from gptoss_tui.errors import CommandError, ConnectionLostError, UsageError
from gptoss_tui.remote import link, scripts
from gptoss_tui.remote.carrier import Carrier
from gptoss_tui.remote.lines import LineSplitter
from gptoss_tui.remote.sessions import SESSIONS, Sessions
from gptoss_tui.remote.streams import ChannelStream
from gptoss_tui.remote.transport import Completed

__all__ = ["SESSIONS", "SshTransport"]

# So many of them may carry streams (where sshd forwards none): the rest is for commands.
STREAMS = SESSIONS - 2
HEARTBEAT_S = 10.0
CLOSE_S = 2.0
OUTPUT_LIMIT = 16 * 1024**2
# A command that reads data where there is no session for the guard: it has an end of its own.
_BOUNDED = 'command -v timeout >/dev/null 2>&1 && exec timeout 60 "$@"; exec "$@"'

_Process = asyncssh.SSHClientProcess[bytes]


class SshTransport:
    """A `Transport` over one asyncssh connection, which it owns."""

    def __init__(
        self, connection: asyncssh.SSHClientConnection, name: str, ssh_target: str
    ) -> None:
        self._connection = connection
        self._name = name
        self._slots = asyncio.Semaphore(SESSIONS)
        self._sessions = Sessions(name, connection, self._slots, self._lost)
        self._streams = asyncio.Semaphore(STREAMS)
        self._guarded = 0  # who needs the guard: commands whose input is data
        self._guard: asyncio.Task[None] | None = None
        # Where sshd said that it may not (AllowTcpForwarding; PermitOpen names single hosts).
        self._not_forwarded: set[str] = set()
        self.ssh_target: str | None = ssh_target
        self._link = link.LinkWatch(name, connection.abort)
        self._watch = asyncio.create_task(link.watch(connection, self._link), name=f"link {name}")

    @property
    def link(self) -> LinkState:
        if self._connection.is_closed():
            self._link.lost(f"The connection to {self._name} is gone.")
        return self._link.state

    def link_changes(self) -> AsyncIterator[LinkState]:
        return self._link.changes()

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 20.0
    ) -> Completed:
        # Standard input is the watch's heartbeat, so a command that reads it cannot be watched.
        words = scripts.command("watch", *argv)
        if stdin:
            bounded = ("sh", "-c", _BOUNDED, "gptoss-bounded") if self._sessions.single else ()
            words = (*bounded, *argv)
        with self._guarding() if stdin else contextlib.nullcontext():
            return await self._run(words, argv, stdin, timeout_s)

    async def _run(
        self, words: Sequence[str], argv: Sequence[str], stdin: bytes, timeout_s: float
    ) -> Completed:
        begun = False
        try:
            # Waiting for a session is part of it: a call that waits for ever tells nobody why.
            async with asyncio.timeout(timeout_s), self._process(words) as process:
                begun = True
                return await self._complete(process, stdin)
        except TimeoutError as error:
            if not begun and self._sessions.allowed < SESSIONS:
                raise self._sessions.none_free(timeout_s) from error
            raise CommandError(
                f"A command on {self._name} did not end in {timeout_s:.0f} s: {_title(argv)}.",
                "The box may be overloaded, or its GPU driver may hang: try again.",
            ) from error

    async def _complete(self, process: _Process, stdin: bytes) -> Completed:
        try:
            if stdin:
                process.stdin.write(stdin)
                process.stdin.write_eof()
            stdout, stderr = await asyncio.gather(
                _read_all(process.stdout), _read_all(process.stderr)
            )
            await process.wait_closed()
        except (asyncssh.Error, OSError) as error:
            raise self._lost(error) from error
        return Completed(process.exit_status, stdout, stderr)

    @contextlib.asynccontextmanager
    async def follow(self, argv: Sequence[str]) -> AsyncIterator[AsyncIterator[bytes]]:
        # Errors that nobody reads would fill their window, and hold up the output behind them.
        words = scripts.command("watch", *argv)
        if self._sessions.single:
            raise self._sessions.refusal()
        async with self._process(words, stderr=asyncssh.DEVNULL) as process:
            self._sessions.holds(process)
            heart = asyncio.create_task(_beat(process), name=f"heartbeat {self._name}")
            try:
                yield self._lines(process)
            finally:
                heart.cancel()
                await asyncio.gather(heart, return_exceptions=True)

    async def _lines(self, process: _Process) -> AsyncIterator[bytes]:
        splitter = LineSplitter()
        try:
            while data := await process.stdout.read(65536):
                for line in splitter.feed(data):
                    yield line
        except (asyncssh.Error, OSError) as error:
            raise self._lost(error) from error
        self._check()
        if self._sessions.single:
            raise self._sessions.refusal()  # whatever ended it: another one would not be better off
        for line in splitter.flush():
            yield line

    @contextlib.asynccontextmanager
    async def _process(
        self, argv: Sequence[str], stderr: int = asyncssh.PIPE
    ) -> AsyncIterator[_Process]:
        """A session channel with a command in it."""
        process = await self._sessions.open(
            lambda: self._connection.create_process(shlex.join(argv), encoding=None, stderr=stderr)
        )
        try:
            yield process
        finally:
            process.stdin.write_eof() if not process.is_closing() else None
            # Wait a moment (unless cancelled, then in the background) until the box let go.
            await asyncio.wait({self._sessions.close(process)}, timeout=CLOSE_S)

    def _lost(self, error: Exception | None) -> ConnectionLostError:
        if self._connection.is_closed() or isinstance(error, asyncssh.ConnectionLost):
            return ConnectionLostError(
                f"The connection to {self._name} was lost.",
                "What runs on the box goes on. Connect again to see it.",
            )
        return ConnectionLostError(
            f"{self._name} refused another channel: {error}.",
            "Close other sessions to the box (its MaxSessions), then try again.",
        )

    def _check(self) -> None:
        """Raises `ConnectionLostError` when the connection is gone."""
        if self._connection.is_closed():
            raise self._lost(None)

    async def open_tcp(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        if host not in self._not_forwarded:
            try:
                return await self._stream(self._connection.open_connection(host, port))
            except httpcore.ConnectError as error:
                if not _is_forbidden(error.__cause__):
                    raise
                self._not_forwarded.add(host)
        return await self.open_exec(scripts.command("dial", host, str(port)))

    async def open_unix(self, path: str) -> httpcore.AsyncNetworkStream:
        return await self._stream(self._connection.open_unix_connection(path))

    async def _stream(self, opening: Awaitable[Any]) -> httpcore.AsyncNetworkStream:
        task = asyncio.ensure_future(opening)
        try:
            reader, writer = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_close_late)
            raise
        except (asyncssh.Error, OSError) as error:
            self._check()
            raise httpcore.ConnectError(str(error)) from error
        return ChannelStream(reader, writer, self._check)

    async def open_exec(self, argv: Sequence[str]) -> httpcore.AsyncNetworkStream:
        if self._sessions.single:
            raise httpcore.ConnectError(self._sessions.refusal().message)
        self._start_guard()  # and keep it: more such streams follow where one was needed
        self._guarded += 1
        await self._streams.acquire()
        try:
            writer, reader, errors = await self._sessions.open(
                lambda: self._connection.open_session(shlex.join(argv), encoding=None)
            )
        except BaseException as error:
            self._streams.release()
            if not isinstance(error, ConnectionLostError):
                raise
            self._check()
            raise httpcore.ConnectError(str(error)) from error
        drained = asyncio.create_task(_drain(errors), name=f"errors of {argv[0]} {self._name}")
        self._sessions.await_end(drained)
        self._sessions.holds(writer)

        def close() -> None:
            self._sessions.close(writer).add_done_callback(lambda _: self._streams.release())

        return ChannelStream(reader, writer, self._check, on_close=close, keep=False)

    @contextlib.contextmanager
    def _guarding(self) -> Iterator[None]:
        """While commands read data from their input, one session has the heartbeat for them all."""
        self._guarded += 1
        self._start_guard()
        try:
            yield
        finally:
            self._guarded -= 1
            if not self._guarded and self._guard is not None:
                self._guard.cancel()
                self._guard = None

    def _start_guard(self) -> None:
        if (self._guard is None or self._guard.done()) and not self._sessions.single:
            self._guard = asyncio.create_task(self._beat_guard(), name=f"guard {self._name}")

    async def _beat_guard(self) -> None:
        with contextlib.suppress(ConnectionLostError):
            async with self._process(scripts.command("guard")) as process:
                self._sessions.holds(process)
                await _beat(process)

    @contextlib.asynccontextmanager
    async def listen(self, port: int, target: tuple[str, int]) -> AsyncIterator[int]:
        """Ours, not the library's: streams fall back to commands where sshd forwards none."""
        self._check()
        carrier = Carrier(lambda: self.open_tcp(*target))
        try:
            listener = await asyncio.start_server(carrier.carry, "127.0.0.1", port)
        except OSError as error:
            raise UsageError(
                f"Port {port} of this machine cannot be opened: {os.strerror(error.errno or 0)}.",
                "Choose another --port; without one a free port is taken.",
            ) from error
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            await carrier.aclose()

    async def aclose(self) -> None:
        self._connection.close()
        with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
            async with asyncio.timeout(CLOSE_S):
                await self._connection.wait_closed()
                await self._sessions.aclose()
        # A goodbye that a silent box does not answer leaves the socket open: let it go.
        self._connection.abort()
        left = [task for task in (self._watch, self._guard) if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _is_forbidden(error: BaseException | None) -> bool:
    return (
        isinstance(error, asyncssh.ChannelOpenError)
        and error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
    )


def _close_late(task: asyncio.Future[Any]) -> None:
    """Close what an abandoned opening opened after all."""
    if task.cancelled() or task.exception() is not None:
        return
    opened = task.result()
    for part in opened if isinstance(opened, tuple) else (opened,):
        if hasattr(part, "close"):
            part.close()


async def _drain(reader: asyncssh.SSHReader[bytes]) -> None:
    """Read and drop: what nobody reads fills its window, and holds up the rest."""
    with contextlib.suppress(asyncssh.Error, OSError):
        while await reader.read(65536):
            pass


async def _beat(process: _Process) -> None:
    """Tell the script on the box that somebody is still there, until it has ended."""
    with contextlib.suppress(asyncssh.Error, OSError):
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await process.wait_closed()
                return
            except TimeoutError:
                process.stdin.write(b".")


async def _read_all(reader: asyncssh.SSHReader[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    while data := await reader.read(65536):
        size += len(data)
        if size <= OUTPUT_LIMIT:
            parts.append(data)
    return b"".join(parts)


def _title(argv: Sequence[str]) -> str:
    return argv[3] if tuple(argv[:2]) == ("sh", "-c") and len(argv) > 3 else argv[0]
