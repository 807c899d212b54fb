"""A model of Docker's log endpoint, connections to it that break, and a reader with one cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, cast

from gptoss_tui.domain.parse.docker_log import LogMessage, Stream, time_of
from gptoss_tui.errors import DockerError
from gptoss_tui.remote import logs
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.resume import LogCursor

START = 1_790_000_000 * 10**9
CONTAINER = "c0ffee"


@dataclass
class Engine:
    """What Docker keeps of a container's output, and how `/logs` answers.

    Engines differ: some drop every message older than `since`, also those that come while a client
    follows; some only those before the first that is not. `now` is the box's clock (nanoseconds),
    `passed_s` are the seconds that really passed.
    """

    each: bool
    tty: bool = False

    def __post_init__(self) -> None:
        self.stored: list[LogMessage] = []
        self.meanwhile: list[LogMessage] = []  # stored between two answers
        self.now = START
        self.passed_s = 0.0

    def store(self, stream: Stream, at: int, text: bytes) -> None:
        self.passed_s += max(0, at - self.now) / 10**9
        self.now = at
        self.stored.append(self.message(stream, at, text))

    def count(self, lines: int) -> None:
        """So many numbered lines from `START` on, one in a second."""
        for number in range(lines):
            self.store("stdout", START + number * 10**9, b"%d\n" % number)

    def message(self, stream: Stream, at: int, text: bytes) -> LogMessage:
        return LogMessage("stdout" if self.tty else stream, at, text)

    def answer(self, query: dict[str, str]) -> list[LogMessage]:
        found = self.stored
        if query["tail"] != "all":
            found = found[max(0, len(found) - int(query["tail"])) :]
        since = int(query.get("since", "0").replace(".", ""))
        if self.each:
            return [message for message in found if (message.at or 0) >= since]
        for number, message in enumerate(found):
            if (message.at or 0) >= since:
                return found[number:]
        return []

    def wire(self, message: LogMessage) -> bytes:
        at = message.at or 0
        stamp = time_of(at)
        assert stamp is not None
        raw = f"{stamp:%Y-%m-%dT%H:%M:%S}.{at % 10**9:09d}Z ".encode() + message.data
        if self.tty:
            return raw
        head = (b"\2" if message.stream == "stderr" else b"\1") + b"\0\0\0"
        return head + len(raw).to_bytes(4, "big") + raw


class Connection:
    """A Docker client whose connection breaks after `size` bytes, or where nothing more comes."""

    def __init__(self, engine: Engine, size: int | None = None) -> None:
        self.engine = engine
        self.left = 10**12 if size is None else size
        self.asked: list[dict[str, str]] = []

    @property
    def box_now(self) -> int:
        return self.engine.now

    async def get(self, path: str) -> Any:
        return {"Id": CONTAINER, "Config": {"Tty": self.engine.tty}}

    async def stream(self, path: str, query: dict[str, str]) -> AsyncIterator[bytes]:
        self.asked.append(query)
        data = b"".join(self.engine.wire(message) for message in self.engine.answer(query))
        step = 7 if len(data) < 2000 else 5000
        for at in range(0, len(data), step):
            part = data[at : at + step][: self.left]
            self.left -= len(part)
            if part:
                yield part
            if not self.left:
                raise DockerError("It broke.")
        self.engine.stored += self.engine.meanwhile
        self.engine.meanwhile = []
        if query["follow"] == "1":
            raise DockerError("It broke.")


class Reader:
    """Follows through connections that break, with one cursor."""

    def __init__(self, engine: Engine, tail: int | None = None) -> None:
        self.engine = engine
        self.cursor = LogCursor(lambda: engine.passed_s)
        self.tail = tail
        self.lines: list[tuple[str, str]] = []

    def connection(self, size: int | None = None, take: int | None = None) -> Connection:
        """One that breaks after `size` bytes, or whose reader leaves after `take` lines."""
        docker = Connection(self.engine, size)
        asyncio.run(self.follow(docker, take))
        return docker

    async def follow(self, docker: Connection, take: int | None) -> None:
        client = cast("Docker", docker)
        stream = logs.docker_logs(
            client, CONTAINER, tail=self.tail, follow=True, cursor=self.cursor
        )
        with suppress(DockerError):
            async with aclosing(stream) as lines:
                async for _, line in lines:
                    self.lines.append((line.stream, line.text))
                    take = None if take is None else take - 1
                    if take == 0:
                        return

    def close(self) -> list[tuple[str, str]]:
        self.connection()
        self.cursor.finish()
        self.lines += [(line.stream, line.text) for _, line in self.cursor.ready]
        self.cursor.ready.clear()
        return self.lines


def expected(engine: Engine) -> list[tuple[str, str]]:
    """What one reading of everything shows."""
    return Reader(engine).close()


class Live(Connection):
    """One that does not break: what is stored while somebody follows comes as it is stored."""

    async def stream(self, path: str, query: dict[str, str]) -> AsyncIterator[bytes]:
        self.asked.append(query)
        found, sent = self.engine.answer(query), len(self.engine.stored)
        for message in found:
            yield self.engine.wire(message)
        since = int(query.get("since", "0").replace(".", ""))
        while query["follow"] == "1":
            await asyncio.sleep(0.001)
            for message in self.engine.stored[sent:]:
                if (message.at or 0) >= since or (found and not self.engine.each):
                    yield self.engine.wire(message)
            sent = len(self.engine.stored)
