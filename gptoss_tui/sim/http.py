"""HTTP/1.1 for the simulated servers, on any pair of byte streams, by h11."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import h11


class Reader(Protocol):
    async def read(self, n: int = -1) -> bytes: ...


class Writer(Protocol):
    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Response:
    """`body` is bytes, or an endless answer in pieces."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = field(default=())


Handler = Callable[[Request], Awaitable[Response]]


def json_response(document: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(document, separators=(",", ":")).encode() + b"\n")


async def serve(reader: Reader, writer: Writer, handler: Handler) -> None:
    """Answer requests on one connection until it closes."""
    connection = h11.Connection(h11.SERVER)
    try:
        while (request := await _request(connection, reader)) is not None:
            await _respond(connection, writer, await handler(request))
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                break
            connection.start_next_cycle()
    except (h11.ProtocolError, ConnectionError, OSError):
        pass  # the other side went away or spoke no HTTP: there is nobody to tell
    finally:
        writer.close()


async def _request(connection: h11.Connection, reader: Reader) -> Request | None:
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(65536)
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            parts = urlsplit(head.target.decode("ascii", "replace"))
            headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in head.headers}
            return Request(
                head.method.decode("latin-1"),
                parts.path,
                dict(parse_qsl(parts.query)),
                headers,
                body,
            )
        elif isinstance(event, h11.ConnectionClosed) or event is h11.PAUSED:
            return None


async def _respond(connection: h11.Connection, writer: Writer, response: Response) -> None:
    headers = [("content-type", response.content_type), *response.headers]
    whole = isinstance(response.body, bytes)
    if whole and response.status not in (204, 304):
        headers.append(("content-length", str(len(response.body))))  # type: ignore[arg-type]
    writer.write(connection.send(h11.Response(status_code=response.status, headers=headers)) or b"")
    if isinstance(response.body, bytes):
        if response.body and response.status not in (204, 304):
            writer.write(connection.send(h11.Data(data=response.body)) or b"")
    else:
        async for part in response.body:
            writer.write(connection.send(h11.Data(data=part)) or b"")
            await writer.drain()
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
