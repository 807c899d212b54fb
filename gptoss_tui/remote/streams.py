"""SSH channels as httpcore network streams, so that HTTP runs over them unchanged."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any

import asyncssh
import httpcore

_LOST = (asyncssh.Error, ConnectionError, OSError)


class ChannelStream(httpcore.AsyncNetworkStream):
    """A direct-tcpip, streamlocal or exec channel.

    `check` raises `ConnectionLostError` when the whole connection is gone, which no reader may take
    for the end of one answer. `on_close` runs once, when the stream is closed. `keep` False means
    that the stream holds something scarce: no pool is to keep it for a later request.
    """

    def __init__(
        self,
        reader: asyncssh.SSHReader[bytes],
        writer: asyncssh.SSHWriter[bytes],
        check: Callable[[], None],
        on_close: Callable[[], object] | None = None,
        keep: bool = True,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._check = check
        self._on_close = on_close
        self._keep = keep

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                data = await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except _LOST as error:
            self._check()
            raise httpcore.ReadError(str(error)) from error
        if not data:
            self._check()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except _LOST as error:
            self._check()
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        with contextlib.suppress(*_LOST):
            self._writer.close()
        if self._on_close:
            self._on_close()
            self._on_close = None

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("TLS inside an SSH channel is not spoken")

    def get_extra_info(self, info: str) -> Any:
        # The pool asks an idle connection whether it became readable, which means it was closed.
        if info == "is_readable":
            return not self._keep or self._reader.at_eof()
        return None
