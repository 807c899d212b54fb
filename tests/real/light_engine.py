"""A light stand-in for Docker and for one server: ten boxes of it weigh less than one dockerd.

`light_engine.py SOCKET PORT FOLDER`: on SOCKET what the app asks of a Docker Engine, whose one
container is called `talker`; on PORT of 127.0.0.1 what it asks of vLLM. The container's log is
numbers, each line one, written in bursts of equal stamps, some of them in parts of 16 KiB as Docker
stores long lines. When FOLDER/quiet is there it falls silent, and FOLDER/written says how many lines
there are. Only the standard library: a box has nothing else.
"""

from __future__ import annotations

import asyncio
import email.utils
import itertools
import json
import random
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TALKER = "talker"
CONTAINER = "c0ffee" + "0" * 58
PART = 16384
TICK_S = 0.1
METRICS = 'vllm:num_requests_running{engine="0"} 3\nvllm:num_requests_waiting{engine="0"} 0\n'

Writer = asyncio.StreamWriter
Answer = Callable[[Writer, str, dict[str, str]], Awaitable[None]]


class Clock:
    """The box's own: FOLDER/clock says by how many seconds it is ahead of everybody else's."""

    def __init__(self) -> None:
        self.file: Path | None = None

    def now_ns(self) -> int:
        ahead = int(self.file.read_text()) if self.file else 0
        return time.time_ns() + ahead * 10**9


class Voice:
    """What stands in all that the box says, FOLDER/evil, where there is one."""

    def __init__(self) -> None:
        self.file: Path | None = None

    def evil(self) -> str:
        if self.file is None or not self.file.exists():
            return ""
        return self.file.read_bytes().decode("utf-8", "surrogateescape")


CLOCK, VOICE = Clock(), Voice()


class Log:
    """Messages as Docker stores them: stamped, framed; `lines` are complete."""

    def __init__(self) -> None:
        self.stamps: list[int] = []
        self.frames: list[bytes] = []
        self.lines = 0
        self.grown = asyncio.Condition()
        self._chance = random.Random(4)

    async def talk(self, folder: Path) -> None:
        """About 20 lines in a second, until `quiet`."""
        while not (folder / "quiet").exists():
            at = CLOCK.now_ns()
            for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3, 6))):
                self._line(at)
            async with self.grown:
                self.grown.notify_all()
            await asyncio.sleep(TICK_S)
        (folder / "written.new").write_text(str(self.lines))
        (folder / "written.new").rename(folder / "written")

    def _line(self, at: int) -> None:
        long = "x" * 40_000 if self._chance.random() < 0.01 else f"said {VOICE.evil()}"
        data = f"{self.lines} {long}\n".encode("utf-8", "surrogateescape")
        stream = self._chance.choice((1, 1, 1, 2))
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 10**9))
        for begin in range(0, len(data), PART):
            raw = f"{stamp}.{at % 10**9:09d}Z ".encode() + data[begin : begin + PART]
            self.stamps.append(at)
            self.frames.append(bytes([stream, 0, 0, 0]) + len(raw).to_bytes(4, "big") + raw)
        self.lines += 1

    def asked(self, query: dict[str, str]) -> tuple[int, int]:
        """The number of the first message that this query is about, and the oldest stamp."""
        seconds, _, parts = query.get("since", "0").partition(".")
        tail = query.get("tail", "all")
        first = 0 if tail == "all" else max(0, len(self.frames) - int(tail))
        return first, int(seconds) * 10**9 + int(parts.ljust(9, "0"))

    async def more(self, seen: int) -> None:
        async with self.grown:
            await self.grown.wait_for(lambda: len(self.frames) > seen)


def _head(status: int, *headers: str) -> bytes:
    date = email.utils.formatdate(CLOCK.now_ns() // 10**9, usegmt=True)
    return "\r\n".join((f"HTTP/1.1 {status} X", f"Date: {date}", *headers, "", "")).encode()


def _send(writer: Writer, body: bytes, status: int = 200) -> None:
    writer.write(_head(status, f"Content-Length: {len(body)}") + body)


def _send_json(writer: Writer, said: Any, status: int = 200) -> None:
    _send(writer, json.dumps(said).encode(), status)


class Engine:
    """What the Docker Engine answers."""

    def __init__(self, log: Log, port: int) -> None:
        self._log = log
        self._container = {
            "Id": CONTAINER,
            "Image": "vllm/vllm-openai:talker",
            "Command": "vllm serve openai/gpt-oss-20b",
            "Created": int(time.time()),
            "State": "running",
            "Ports": [{"IP": "127.0.0.1", "PrivatePort": 8000, "PublicPort": port, "Type": "tcp"}],
        }

    async def answer(self, writer: Writer, path: str, query: dict[str, str]) -> None:
        if path.endswith("/version"):
            _send_json(writer, {"Version": "20.10", "ApiVersion": "1.41", "MinAPIVersion": "1.12"})
        elif path.endswith("/info"):
            _send_json(writer, {"Runtimes": {"nvidia": {}}, "DockerRootDir": "/var/lib/docker"})
        elif path.endswith("/images/json"):
            _send_json(writer, [])
        elif path.endswith("/containers/json"):
            _send_json(writer, [self._described()])
        elif path.endswith(f"/{CONTAINER}/json"):
            _send_json(writer, {"Id": CONTAINER, "Config": {"Tty": False}})
        elif path.endswith(f"/{CONTAINER}/logs"):
            await self._logs(writer, query)
        else:
            _send_json(writer, {"message": f"No such thing: {path}"}, 404)

    def _described(self) -> dict[str, Any]:
        evil = VOICE.evil()
        labels = {"io.gptoss-tui.spec": evil} if evil else {}
        named = {"Names": [f"/{TALKER}{evil}"], "Status": f"Up {evil}", "Labels": labels}
        return {**self._container, **named}

    async def _logs(self, writer: Writer, query: dict[str, str]) -> None:
        writer.write(_head(200, "Transfer-Encoding: chunked"))
        at, since = self._log.asked(query)
        while True:
            for frame, stamp in zip(self._log.frames[at:], self._log.stamps[at:], strict=True):
                at += 1
                if stamp < since:  # Docker asks each message, whatever came before it
                    continue
                writer.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
                await writer.drain()
            if query.get("follow") != "1":
                break
            await self._log.more(at)
        writer.write(b"0\r\n\r\n")


async def vllm(writer: Writer, path: str, query: dict[str, str]) -> None:
    """What the server answers. A chat is numbers, one after the other, for as long as one listens."""
    if path == "/v1/chat/completions":
        writer.write(_head(200, "Content-Type: text/event-stream", "Connection: close"))
        for number in itertools.count():
            piece = {"choices": [{"index": 0, "delta": {"content": f"{number} {VOICE.evil()}"}}]}
            writer.write(f"data: {json.dumps(piece)}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(TICK_S)
    elif path == "/v1/models":
        _send_json(writer, {"data": [{"id": "openai/gpt-oss-20b"}]})
    else:
        _send(writer, METRICS.encode() if path == "/metrics" else b"")


def _served(answer: Answer) -> Callable[[asyncio.StreamReader, Writer], Awaitable[None]]:
    async def connection(reader: asyncio.StreamReader, writer: Writer) -> None:
        """Requests one after the other; what their bodies say does not matter."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                url = urlsplit(head.split(b" ", 2)[1].decode())
                await answer(writer, url.path, dict(parse_qsl(url.query)))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client left
        finally:
            writer.close()

    return connection


async def main(socket: str, port: int, folder: Path) -> None:
    CLOCK.file, VOICE.file = folder / "clock", folder / "evil"
    log = Log()
    engine = Engine(log, port)
    async with (
        await asyncio.start_server(_served(vllm), "127.0.0.1", port),
        await asyncio.start_unix_server(_served(engine.answer), socket),
    ):
        await log.talk(folder)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
