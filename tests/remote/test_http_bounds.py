"""HTTP over a box's streams is bounded: in the time to open, in the size of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpcore
import httpx
import pytest

from gptoss_tui.errors import DockerError
from gptoss_tui.remote import http
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.streams import ChannelStream

MIB = 1024**2
Opener = Callable[[], Awaitable[httpcore.AsyncNetworkStream]]


def answering(*parts: bytes) -> Opener:
    """Streams that answer with these bytes, whatever is asked."""

    async def opener() -> httpcore.AsyncNetworkStream:
        return httpcore.AsyncMockStream(list(parts))

    return opener


async def test_an_opening_that_hangs_is_a_timeout() -> None:
    async def never() -> httpcore.AsyncNetworkStream:
        await asyncio.Event().wait()
        raise AssertionError

    async with http.client(never) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await http.read(client, "GET", "/", timeout=0.02)


@pytest.mark.parametrize("length", ["Content-Length: 999999999\r\n", ""])
async def test_an_endless_answer_is_broken_off(length: str) -> None:
    head = f"HTTP/1.1 200 OK\r\n{length}\r\n".encode()
    async with http.client(answering(head, *([b"x" * MIB] * 64))) as client:
        with pytest.raises(httpx.ReadError, match="longer than 2 MiB"):
            await http.read(client, "GET", "/", limit=2 * MIB)


class _Dripping(httpcore.AsyncNetworkStream):
    """A server that is never late with its next byte, and never done."""

    def __init__(self) -> None:
        self.closed = False
        self._head = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        await asyncio.sleep(0.001)
        return self._head.pop() if self._head else b"x"

    async def write(self, buffer: bytes, timeout: float | None = None) -> None: ...

    async def aclose(self) -> None:
        self.closed = True


async def test_an_answer_that_drips_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WHOLE_S", 0.05)
    stream = _Dripping()

    async def opener() -> httpcore.AsyncNetworkStream:
        return stream

    async with http.client(opener) as client:
        with pytest.raises(httpx.ReadTimeout, match="not over"):
            await http.read(client, "GET", "/", timeout=5)
        assert stream.closed


async def test_an_answer_that_may_take_any_time_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "WHOLE_S", 0.0)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with http.client(answering(head)) as client:
        limits = httpx.Timeout(5, read=None)
        assert (await http.read(client, "POST", "/", timeout=limits)).content == b"ok"


async def test_an_answer_is_never_unpacked() -> None:
    bomb = b"\x1f\x8b not really gzip"
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    async with http.client(answering(head.encode() + bomb)) as client:
        assert (await http.read(client, "GET", "/")).content == bomb


async def test_what_is_no_json_of_docker_is_a_sentence() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
    docker = Docker(http.client(answering(head)), "socket", "27.0", "1.47")
    with pytest.raises(DockerError, match="Docker's answer cannot be read"):
        await docker.get("/containers/json")
    await docker.aclose()


class _Reader:
    def at_eof(self) -> bool:
        return False


def test_a_stream_that_holds_a_session_is_not_kept_by_the_pool() -> None:
    kept = ChannelStream(_Reader(), None, lambda: None)  # type: ignore[arg-type]
    held = ChannelStream(_Reader(), None, lambda: None, keep=False)  # type: ignore[arg-type]
    assert kept.get_extra_info("is_readable") is False
    assert held.get_extra_info("is_readable") is True
