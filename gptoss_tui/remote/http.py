"""httpx over a box's byte streams: no local port, no other user of this machine can reach it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
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
        try:
            async with asyncio.timeout(timeout):
                return await self._opener()
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error

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


BODY_LIMIT = 16 * 1024**2
# A server that sends a byte now and then is never late for the next one.
WHOLE_S = 60.0


async def read(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    timeout: httpx.Timeout | float | None = None,
    limit: int = BODY_LIMIT,
) -> httpx.Response:
    """A whole answer of at most `limit` bytes. A longer one is broken off: `httpx.ReadError`.

    One that takes over `WHOLE_S` is too (`httpx.ReadTimeout`), unless reading may take any time.
    Compression is not asked for: a few bytes of it may unpack to gigabytes.
    """
    asked = {"Accept-Encoding": "identity", **(headers or {})}
    limits = client.timeout if timeout is None else httpx.Timeout(timeout)
    sent = client.stream(method, url, params=params, headers=asked, json=json, timeout=limits)
    try:
        async with asyncio.timeout(None if limits.read is None else WHOLE_S), sent as reply:
            body = await body_of(reply, limit)
    except TimeoutError as error:
        raise httpx.ReadTimeout(f"the answer was not over in {WHOLE_S:.0f} s") from error
    plain = {name: value for name, value in reply.headers.items() if name != "content-encoding"}
    return httpx.Response(reply.status_code, headers=plain, content=body)


async def body_of(reply: httpx.Response, limit: int = BODY_LIMIT) -> bytes:
    """The body of a streamed answer, at most `limit` bytes long. Raises `httpx.ReadError`."""
    parts: list[bytes] = []
    size = 0
    async for part in reply.aiter_raw():
        size += len(part)
        if size > limit:
            raise httpx.ReadError(f"the answer is longer than {limit // 1024**2} MiB")
        parts.append(part)
    return b"".join(parts)


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
