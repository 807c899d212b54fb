"""A log across reconnects, against a model of Docker's log endpoint: each line once, none missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.parse.docker_log import (
    LIMIT,
    PART,
    LogMessage,
    LogReader,
    MuxReader,
    Stream,
    TtyReader,
    time_of,
)
from gptoss_tui.remote.resume import LogCursor

START = 1_790_000_000 * 10**9
CONTAINER = "c0ffee"


@dataclass
class Engine:
    """What Docker keeps of a container's output, and how `/logs` answers.

    Engines differ: some drop every message older than `since`, some only those before the first
    that is not.
    """

    each: bool
    tty: bool = False

    def __post_init__(self) -> None:
        self.stored: list[LogMessage] = []
        self.now = START

    def store(self, stream: Stream, at: int, text: bytes) -> None:
        self.now = at
        self.stored.append(LogMessage("stdout" if self.tty else stream, at, text))

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


class Reader:
    """Reads through connections that break, with one cursor."""

    def __init__(self, engine: Engine, tail: int | None = None) -> None:
        self.engine = engine
        self.cursor = LogCursor()
        self.tail = tail
        self.lines: list[tuple[str, str]] = []

    def connection(self, size: int | None = None, take: int | None = None) -> None:
        """One connection that breaks after `size` bytes, or whose reader leaves after `take` lines."""
        query = self.cursor.enter(CONTAINER, self.tail, self.engine.now)
        data = b"".join(self.engine.wire(message) for message in self.engine.answer(query))
        reader: LogReader = TtyReader() if self.engine.tty else MuxReader()
        left = take
        for line in self._lines(reader, data[:size]):
            self.lines.append(line)
            if left is not None:
                left -= 1
                if left <= 0:
                    return

    def _lines(self, reader: LogReader, data: bytes) -> Iterator[tuple[str, str]]:
        step = 7 if len(data) < 2000 else 5000
        for at in range(0, len(data), step):
            for message in reader.feed(data[at : at + step]):
                self.cursor.take(message)
                while self.cursor.ready:
                    yield self._next()

    def _next(self) -> tuple[str, str]:
        _, line = self.cursor.ready.popleft()
        return line.stream, line.text

    def close(self) -> list[tuple[str, str]]:
        self.connection()
        self.cursor.finish()
        while self.cursor.ready:
            self.lines.append(self._next())
        return self.lines


def expected(engine: Engine) -> list[tuple[str, str]]:
    """What one reading of everything shows."""
    return Reader(engine).close()


STREAMS: st.SearchStrategy[Stream] = st.sampled_from(("stdout", "stderr"))
# Mostly forward in small steps, often not at all, sometimes back: the streams overtake each other.
STEPS = st.one_of(st.just(0), st.just(1), st.integers(-3, 5), st.just(10**9))
JUMPS = st.sampled_from((-3600 * 10**9, 7200 * 10**9))
TEXTS = st.sampled_from(("x", "", "y", "same", "1", "2026-01-01T00:00:00.000000000Z z"))
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("line"), STREAMS, STEPS, TEXTS),
        st.tuples(st.just("part"), STREAMS, STEPS, TEXTS),
        st.tuples(st.just("break"), st.integers(0, 400)),
        st.tuples(st.just("leave"), st.integers(1, 5)),
        st.tuples(st.just("jump"), JUMPS),
    ),
    max_size=60,
)


@given(events=EVENTS, each=st.booleans())
def test_every_line_arrives_exactly_once(events: list[tuple[object, ...]], each: bool) -> None:
    engine, now = Engine(each), START
    reader = Reader(engine)
    for event in events:
        if event[0] == "break":
            reader.connection(size=int(str(event[1])))
        elif event[0] == "leave":
            reader.connection(take=int(str(event[1])))
        elif event[0] == "jump":
            reader.connection()  # of two jumps during one silence, nobody could tell
            now += int(str(event[1]))
            engine.now = now
        else:
            kind, stream, step, text = event
            now += int(str(step))
            end = b"\n" if kind == "line" else b""
            engine.store(
                "stderr" if stream == "stderr" else "stdout", now, str(text).encode() + end
            )
    assert reader.close() == expected(engine)


@pytest.mark.parametrize("each", [True, False])
def test_a_burst_with_one_time_stamp_and_one_text(each: bool) -> None:
    engine = Engine(each)
    for _ in range(50):
        engine.store("stdout", START, b"x\n")
    reader = Reader(engine)
    for _ in range(20):
        reader.connection(take=1)
    for _ in range(50):
        engine.store("stdout", START, b"x\n")
    assert len(reader.close()) == 100


@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("tty", [True, False])
def test_a_line_in_parts_stays_one_line_wherever_the_connection_breaks(
    each: bool, tty: bool
) -> None:
    """The parts have the first one's stamp, with a newer line of the other stream between them."""
    long = bytes(ord("a") + n // 100 % 26 for n in range(2 * PART + 100))
    whole = Engine(each, tty)
    whole.store("stdout", START, b"before\n")
    whole.store("stdout", START + 1, long[:PART])
    if not tty:
        whole.store("stderr", START + 2, b"between\n")
    whole.store("stdout", START + 1, long[PART : 2 * PART])
    whole.store("stdout", START + 1, long[2 * PART :] + b"\n")
    whole.store("stdout", START + 3, b"after\n")
    size = sum(len(whole.wire(message)) for message in whole.stored)
    wanted = expected(whole)
    assert [len(text) for _, text in wanted if len(text) > 10] == [2 * PART + 100]
    for first in range(0, size, 997):
        for second in (0, 50, PART + 80, 2 * PART + 200):
            reader = Reader(whole)
            reader.connection(size=first)
            reader.connection(size=second)
            assert reader.close() == wanted, (first, second)


@pytest.mark.parametrize("each", [True, False])
def test_going_on_asks_for_little(each: bool) -> None:
    engine = Engine(each)
    for number in range(5000):
        engine.store("stdout", START + number * 10**8, b"%d\n" % number)
    reader = Reader(engine, tail=500)
    reader.connection()
    assert len(reader.lines) == 500
    assert len(engine.answer(reader.cursor.enter(CONTAINER, 500, engine.now))) < 100


def test_a_clock_that_is_set_back_costs_a_longer_replay_but_no_line() -> None:
    engine = Engine(each=True)
    for number in range(1000):
        engine.store("stdout", START + number * 10**9, b"%d\n" % number)
    reader = Reader(engine)
    reader.connection()
    for number in range(100):  # the clock goes back by ten minutes
        engine.store("stdout", START + (400 + number) * 10**9, b"again %d\n" % number)
        reader.connection()
    assert reader.close() == expected(engine)
    assert len(reader.lines) == 1100


def test_a_rotated_log_goes_on_with_what_is_left() -> None:
    engine = Engine(each=True)
    for number in range(100):
        engine.store("stdout", START + number // 10, b"%d\n" % number)
    reader = Reader(engine)
    reader.connection()
    for number in range(100, 200):
        engine.store("stdout", START + number // 10, b"%d\n" % number)
    del engine.stored[:150]
    reader.connection()
    assert [text for _, text in reader.lines[100:]] == [str(n) for n in range(150, 200)]


def test_another_container_of_that_name_begins_anew() -> None:
    engine = Engine(each=True)
    engine.store("stdout", START, b"old\n")
    reader = Reader(engine, tail=1)
    reader.connection()
    assert reader.cursor.enter("another", 1) == {"tail": "all"}


def test_a_cursor_stays_small() -> None:
    cursor = LogCursor()
    cursor.enter(CONTAINER, None)
    for number in range(20_000):
        cursor.take(LogMessage("stdout", START + number, b"x" * 100))
        cursor.ready.clear()
    assert len(cursor._cuts) <= 257
    assert cursor._cuts[0].before is None
    assert len(cursor._pending["stdout"]._splitter._rest) <= 64 * 1024


def test_a_frame_over_the_limit_is_cut_and_what_follows_is_whole() -> None:
    engine = Engine(each=True)
    engine.store("stdout", START, b"x" * (3 * LIMIT) + b"\n")
    engine.store("stderr", START + 1, b"next\n")
    data = b"".join(engine.wire(message) for message in engine.stored)
    for step in (1000, 65536, len(data)):
        reader = MuxReader()
        found: list[LogMessage] = []
        for at in range(0, len(data), step):
            found += reader.feed(data[at : at + step])
            assert len(reader._rest) <= LIMIT + 8 + step
        assert [message.data[:5] for message in found] == [b"xxxxx", b"next\n"]
        assert len(found[0].data) <= LIMIT
