"""ProxyCommand: a program of the user's whose standard input and output are the connection.

asyncssh can run one too, but takes what it prints to standard error for the server's data, and the
end of that pipe (which `ssh -W` closes at its start) for the end of the connection. So the program
gets one end of a socket pair, and asyncssh the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from asyncio.subprocess import Process

from gptoss_tui.errors import BoxError
from gptoss_tui.remote.ssh_config import Config
from gptoss_tui.text import clean_line, decode

CLOSE_S = 1.0
_WORDS_S = 0.5  # a program that has just failed still says why
_SAID = 4096  # bytes of standard error that are kept: its last line is what tells the cause


def proxy_command(config: Config) -> list[str] | None:
    """The ProxyCommand as the user's shell runs it; None for none. Raises `BoxError`."""
    command = config.first("proxycommand")
    if command is None or command.strip().lower() == "none":
        return None
    shell = os.environ.get("SHELL") or "/bin/sh"
    return [shell, "-c", f"exec {config.expand_for_shell(command).strip()}"]


class Proxy:
    """One running ProxyCommand. `socket` is our end of it, for whoever speaks SSH."""

    def __init__(
        self,
        process: Process,
        ours: socket.socket,
        errors: asyncio.StreamReader,
        pipe: asyncio.ReadTransport,
    ) -> None:
        self.socket = ours
        self._process = process
        self._errors, self._pipe = errors, pipe
        self._said = b""
        self._reading = asyncio.create_task(self._read(), name="proxy command")
        self._stopping: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, command: list[str]) -> Proxy:
        """Raises `BoxError` where there is no shell to run it.

        It is started to the end also when cancelled, and then stopped. Its pipe is our own: asyncio
        waits for ever for a process whose start is broken off before its pipes are connected.
        """
        starting = asyncio.create_task(cls._start(command), name="start of a proxy command")
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait({starting})
            if not starting.cancelled() and starting.exception() is None:
                await starting.result().wait_stopped()
            raise

    @classmethod
    async def _start(cls, command: list[str]) -> Proxy:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        read, write = os.pipe()
        errors = asyncio.StreamReader()
        try:
            pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(errors), os.fdopen(read, "rb", 0)
            )
            # In a session of its own: it can neither ask nor write on the terminal that we draw on.
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=write,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise BoxError(
                f"The ProxyCommand cannot be run: {error.strerror}.", "Check $SHELL."
            ) from error
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(write)
        return cls(process, ours, errors, pipe)

    async def _read(self) -> None:
        while data := await self._errors.read(_SAID):
            self._said = (self._said + data)[-_SAID:]

    def stop(self) -> asyncio.Task[None]:
        """End it, with whatever it started; the same again does nothing more."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="end of a proxy command")
        return self._stopping

    async def _stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._process.wait()
                    break
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._pipe.close()  # what it left behind may still hold the other end
        self.socket.close()  # whoever spoke through it has closed it; nobody may have come to that

    async def wait_stopped(self) -> None:
        """Until it has ended."""
        await asyncio.shield(self.stop())

    async def last_words(self) -> str:
        """End it; the last line that it wrote to standard error, "" for none."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WORDS_S):
                await asyncio.shield(self._reading)
        await self.wait_stopped()
        lines = [line for line in decode(self._said).splitlines() if line.strip()]
        return clean_line(lines[-1], 200) if lines else ""
