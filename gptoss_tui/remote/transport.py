"""What a box is reached through: commands and byte streams, over SSH or on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from httpcore import AsyncNetworkStream

from gptoss_tui.domain.host import LinkState


@dataclass(frozen=True)
class Completed:
    """A finished command: exit status (None: killed or lost) and at most the bytes asked for."""

    status: int | None
    stdout: bytes
    stderr: bytes


class Transport(Protocol):
    """The narrow waist below `Box`. Argument lists only: no caller writes shell by hand."""

    @property
    def link(self) -> LinkState: ...

    def link_changes(self) -> AsyncIterator[LinkState]:
        """The state of the link now, then each change of it, until it is lost."""

    @property
    def ssh_target(self) -> str | None: ...

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 20.0
    ) -> Completed:
        """Run a short command to its end. It is ended on the box too when `timeout_s` is over."""

    def follow(self, argv: Sequence[str]) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Run a long command and yield its output lines (without their end, 64 KiB at most).

        Leaving the context ends the command on the box; so does the end of the connection.
        """

    async def open_tcp(self, host: str, port: int) -> AsyncNetworkStream:
        """A byte stream to a port as seen from the box. Raises `httpcore.ConnectError`."""

    async def open_unix(self, path: str) -> AsyncNetworkStream:
        """A byte stream to a UNIX socket of the box. Raises `httpcore.ConnectError`."""

    async def open_exec(self, argv: Sequence[str]) -> AsyncNetworkStream:
        """A byte stream to a command's stdin and stdout. Raises `httpcore.ConnectError`."""

    def listen(self, port: int, target: tuple[str, int]) -> AbstractAsyncContextManager[int]:
        """Forward 127.0.0.1:`port` (0: any free one) of this machine to `target` on the box."""

    async def aclose(self) -> None: ...
