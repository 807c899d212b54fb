"""httpx over a box's byte streams: no local port, no other user of this machine can reach it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import httpcore
import httpx

Opener = Callable[[], Awaitable[httpcore.AsyncNetworkStream]]

_ERRORS = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        "ConnectError", "ConnectTimeout", "LocalProtocolError", "NetworkError", "PoolTimeout",
        "ProtocolError", "ReadError", "ReadTimeout", "RemoteProtocolError", "TimeoutException",
        "UnsupportedProtocol", "WriteError", "WriteTimeout",
    )
}  # fmt: skip


class _Backend(httpcore.AsyncNetworkBackend):
    """Every connection of the pool is one stream that `opener` opens."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._opener()

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError("the pool retries nothing here")


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                yield part
        except tuple(_ERRORS) as error:
            raise _translated(error) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


class ChannelTransport(httpx.AsyncBaseTransport):
    """An httpx transport whose connections come from `opener` (see `httpx` "custom transports")."""

    def __init__(self, opener: Opener) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=_Backend(opener), max_keepalive_connections=2, keepalive_expiry=30
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        inner = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            reply = await self._pool.handle_async_request(inner)
        except tuple(_ERRORS) as error:
            raise _translated(error) from error
        return httpx.Response(
            status_code=reply.status,
            headers=reply.headers,
            stream=_Body(reply.stream),
            extensions=reply.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


def _translated(error: Exception) -> Exception:
    for kind in type(error).__mro__:
        if kind in _ERRORS:
            translated: Exception = _ERRORS[kind](str(error))
            return translated
    return error


def client(
    opener: Opener, *, base_url: str = "http://box", timeout_s: float = 20.0
) -> httpx.AsyncClient:
    """A client all of whose connections are streams from `opener`; no environment, no redirects."""
    return httpx.AsyncClient(
        transport=ChannelTransport(opener),
        base_url=base_url,
        timeout=timeout_s,
        trust_env=False,
        follow_redirects=False,
    )
