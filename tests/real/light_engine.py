"""A light stand-in for Docker and for one server: ten boxes of it weigh less than one dockerd.

`light_engine.py SOCKET PORT FOLDER`: on SOCKET what the app asks of a Docker Engine, whose one
container is called `talker`; on PORT of 127.0.0.1 what it asks of vLLM. The container's log is
numbers, each line one, written in bursts of equal stamps, some of them in parts of 16 KiB as Docker
stores long lines. When FOLDER/quiet is there it falls silent, and FOLDER/written says how many lines
there are. Only the standard library: a box has nothing else.
"""

from __future__ import annotations

import asyncio
import bisect
import email.utils
import json
import random
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
            at = max([time.time_ns(), *self.stamps[-1:]])
            for _ in range(self._chance.choice((0, 1, 1, 1, 2, 3, 6))):
                self._line(at)
            async with self.grown:
                self.grown.notify_all()
            await asyncio.sleep(TICK_S)
        (folder / "written.new").write_text(str(self.lines))
        (folder / "written.new").rename(folder / "written")

    def _line(self, at: int) -> None:
        long = "x" * 40_000 if self._chance.random() < 0.01 else "said"
        data = f"{self.lines} {long}\n".encode()
        stream = self._chance.choice((1, 1, 1, 2))
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 10**9))
        for begin in range(0, len(data), PART):
            raw = f"{stamp}.{at % 10**9:09d}Z ".encode() + data[begin : begin + PART]
            self.stamps.append(at)
            self.frames.append(bytes([stream, 0, 0, 0]) + len(raw).to_bytes(4, "big") + raw)
        self.lines += 1

    def first(self, query: dict[str, str]) -> int:
        """The number of the first message that this query is about."""
        seconds, _, parts = query.get("since", "0").partition(".")
        since = int(seconds) * 10**9 + int(parts.ljust(9, "0"))
        tail = query.get("tail", "all")
        last = 0 if tail == "all" else max(0, len(self.frames) - int(tail))
        return max(last, bisect.bisect_left(self.stamps, since))

    async def more(self, seen: int) -> None:
        async with self.grown:
            await self.grown.wait_for(lambda: len(self.frames) > seen)


def _head(status: int, *headers: str) -> bytes:
    date = email.utils.formatdate(usegmt=True)
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
            "Names": [f"/{TALKER}"],
            "Image": "vllm/vllm-openai:talker",
            "Command": "vllm serve openai/gpt-oss-20b",
            "Created": int(time.time()),
            "State": "running",
            "Status": "Up",
            "Labels": {},
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
            _send_json(writer, [self._container])
        elif path.endswith(f"/{CONTAINER}/json"):
            _send_json(writer, {"Id": CONTAINER, "Config": {"Tty": False}})
        elif path.endswith(f"/{CONTAINER}/logs"):
            await self._logs(writer, query)
        else:
            _send_json(writer, {"message": f"No such thing: {path}"}, 404)

    async def _logs(self, writer: Writer, query: dict[str, str]) -> None:
        writer.write(_head(200, "Transfer-Encoding: chunked"))
        at = self._log.first(query)
        while True:
            for frame in self._log.frames[at:]:
                writer.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
                at += 1
                await writer.drain()
            if query.get("follow") != "1":
                break
            await self._log.more(at)
        writer.write(b"0\r\n\r\n")


async def vllm(writer: Writer, path: str, query: dict[str, str]) -> None:
    """What the server answers."""
    if path == "/v1/models":
        _send_json(writer, {"data": [{"id": "openai/gpt-oss-20b"}]})
    else:
        _send(writer, METRICS.encode() if path == "/metrics" else b"")


def _served(answer: Answer) -> Callable[[asyncio.StreamReader, Writer], Awaitable[None]]:
    async def connection(reader: asyncio.StreamReader, writer: Writer) -> None:
        """Requests without bodies, one after the other."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                url = urlsplit(head.split(b" ", 2)[1].decode())
                await answer(writer, url.path, dict(parse_qsl(url.query)))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client left
        finally:
            writer.close()

    return connection


async def main(socket: str, port: int, folder: Path) -> None:
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
