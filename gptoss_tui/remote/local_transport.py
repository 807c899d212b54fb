"""The transport of the machine the app itself runs on: the same waist, no SSH."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence

import httpcore

from gptoss_tui.domain.host import LinkState
from gptoss_tui.errors import CommandError
from gptoss_tui.remote.lines import LineSplitter
from gptoss_tui.remote.transport import Completed


class LocalTransport:
    """A `Transport` whose commands are child processes and whose sockets are this machine's."""

    ssh_target: str | None = None

    def __init__(self) -> None:
        self._backend = httpcore.AnyIOBackend()
        self._closed = asyncio.Event()

    @property
    def link(self) -> LinkState:
        return LinkState(phase="up", reason="this machine")

    async def link_changes(self) -> AsyncIterator[LinkState]:
        yield self.link
        await self._closed.wait()
        yield LinkState(phase="lost", reason="closed")

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 20.0
    ) -> Completed:
        async with self._process(argv) as process:
            try:
                async with asyncio.timeout(timeout_s):
                    stdout, stderr = await process.communicate(stdin)
            except TimeoutError as error:
                raise CommandError(
                    f"A command on this machine did not end in {timeout_s:.0f} s: {argv[0]}.",
                    "The machine may be overloaded, or its GPU driver may hang: try again.",
                ) from error
            return Completed(process.returncode, stdout, stderr)

    @contextlib.asynccontextmanager
    async def follow(self, argv: Sequence[str]) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._process(argv, stderr=asyncio.subprocess.DEVNULL) as process:
            yield _lines(process)

    @contextlib.asynccontextmanager
    async def _process(
        self, argv: Sequence[str], stderr: int = asyncio.subprocess.PIPE
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandError(
                f"{argv[0]} cannot be run on this machine: {error.strerror or error}."
            ) from error
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())

    async def open_tcp(self, host: str, port: int) -> httpcore.AsyncNetworkStream:
        return await self._backend.connect_tcp(host, port, timeout=5)

    async def open_unix(self, path: str) -> httpcore.AsyncNetworkStream:
        return await self._backend.connect_unix_socket(path, timeout=5)

    async def open_exec(self, argv: Sequence[str]) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("not needed on this machine")

    @contextlib.asynccontextmanager
    async def listen(self, port: int, target: tuple[str, int]) -> AsyncIterator[int]:
        """The server already listens on this machine: its own port is the answer."""
        if port not in (0, target[1]):
            raise CommandError(
                f"The server already listens on this machine, at port {target[1]}.",
                "Use that port.",
            )
        yield target[1]

    async def aclose(self) -> None:
        self._closed.set()


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    splitter = LineSplitter()
    assert process.stdout is not None
    while data := await process.stdout.read(65536):
        for line in splitter.feed(data):
            yield line
    for line in splitter.flush():
        yield line
