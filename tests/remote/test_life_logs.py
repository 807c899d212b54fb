"""A log across reconnects, against a model of Docker's log endpoint: each line once, none missing."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.parse.docker_log import (
    LIMIT,
    PART,
    LogMessage,
    MuxReader,
    Stream,
    time_of,
)
from gptoss_tui.remote.resume import LogCursor
from tests.remote.log_engine import CONTAINER, START, Connection, Engine, Live, Reader, expected
from tests.remote.support import until

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
        st.tuples(st.just("meanwhile"), st.integers(1, 70)),
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
        elif event[0] == "meanwhile":
            many = [engine.message("stderr", now, b"x\n")] * int(str(event[1]))
            engine.meanwhile += many
            reader.connection()
        else:
            kind, stream, step, text = event
            now += int(str(step))
            end = b"\n" if kind == "line" else b""
            engine.store(
                "stderr" if stream == "stderr" else "stdout", now, str(text).encode() + end
            )
    assert reader.close() == expected(engine)


FORWARD = st.sampled_from((1, 5, 10**9))
AFTER = st.lists(
    st.one_of(
        st.tuples(st.just("line"), STEPS),
        st.tuples(st.just("break"), st.integers(0, 400)),
        st.tuples(st.just("leave"), st.integers(1, 5)),
        st.tuples(st.just("jump"), JUMPS),
        st.tuples(st.just("meanwhile"), st.integers(1, 70)),
    ),
    max_size=30,
)


@given(
    ahead=st.lists(FORWARD, max_size=20),
    back_s=st.sampled_from((0, 20, 3600)),
    before=st.lists(FORWARD, min_size=1, max_size=20),
    tail=st.integers(1, 30),
    events=AFTER,
    each=st.booleans(),
)
def test_every_line_from_a_tail_on_arrives_exactly_once(
    *,
    ahead: list[int],
    back_s: int,
    before: list[int],
    tail: int,
    events: list[tuple[str, int]],
    each: bool,
) -> None:
    """The reading may begin behind lines of a time that the clock was set back from."""
    engine, now = Engine(each), START

    def store(step: int) -> None:
        nonlocal now
        now += step
        engine.store("stdout", now, b"%d\n" % len(engine.stored))

    for step in ahead:
        store(step)
    now -= back_s * 10**9
    for step in before:
        store(step)
    first = max(0, len(engine.stored) - tail)
    reader = Reader(engine, tail)
    reader.connection()
    for event, number in events:
        if event == "break":
            reader.connection(size=number)
        elif event == "leave":
            reader.connection(take=number)
        elif event == "jump":
            reader.connection()
            now += number
            engine.now = now
        elif event == "meanwhile":
            last = len(engine.stored)
            engine.meanwhile = [
                engine.message("stderr", now, b"%d\n" % (last + n)) for n in range(number)
            ]
            reader.connection()
        else:
            store(number)
    assert [int(text) for _, text in reader.close()] == list(range(first, len(engine.stored)))


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
    missed, followed = reader.connection().asked
    assert len(engine.answer(missed)) < 100
    assert len(engine.answer(followed)) < 100
    assert len(reader.lines) == 500


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


@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("back_s", [8, 600, 10**9])
def test_a_clock_that_was_set_back_long_before_somebody_came_back(each: bool, back_s: int) -> None:
    engine = Engine(each)
    engine.count(100)
    reader = Reader(engine)
    reader.connection()
    engine.now -= back_s * 10**9
    for number in range(100):
        engine.store("stdout", engine.now + 10**9, b"again %d\n" % number)
    assert reader.close() == expected(engine)
    assert len(reader.lines) == 200


@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("tty", [True, False])
async def test_a_clock_that_is_set_back_under_a_follow_that_went_on(each: bool, tty: bool) -> None:
    engine = Engine(each, tty)
    engine.count(100)
    reader = Reader(engine)
    await reader.follow(Connection(engine), None)
    docker = Live(engine)
    follow = asyncio.create_task(reader.follow(docker, None), name="follow")
    try:
        for back_s in (3600, 8, 3):
            engine.now -= back_s * 10**9
            for _ in range(20):
                number = len(engine.stored)
                engine.store("stdout", engine.now + 10**9, b"%d\n" % number)
                await until(lambda: len(reader.lines) == len(engine.stored), f"line {number} comes")
    finally:
        follow.cancel()
        await asyncio.gather(follow, return_exceptions=True)
    assert [int(text) for _, text in reader.lines] == list(range(160))
    assert ["since" in query for query in docker.asked] == [True, False]


@pytest.mark.parametrize("each", [True, False])
@pytest.mark.parametrize("tty", [True, False])
@pytest.mark.parametrize(("before", "tail"), [(100, 10), (1000, 50), (100, 100), (30, 500)])
async def test_a_clock_that_goes_back_behind_the_first_line_of_a_tail(
    each: bool, tty: bool, before: int, tail: int
) -> None:
    """Once while nobody looks, and again under the follow, which must not have gone silent."""
    engine = Engine(each, tty)
    engine.count(before)
    reader = Reader(engine, tail)
    await reader.follow(Connection(engine), None)
    first = max(0, before - tail)
    assert len(reader.lines) == before - first

    def store(back_s: int) -> None:
        engine.now -= back_s * 10**9
        for _ in range(20):
            engine.store("stdout", engine.now + 10**9, b"%d\n" % len(engine.stored))

    store(7200)
    docker = Live(engine)
    follow = asyncio.create_task(reader.follow(docker, None), name="follow")
    try:
        for back_s in (3600, 30, 7200):
            await until(lambda: len(reader.lines) >= len(engine.stored) - first, "all come")
            store(back_s)
        await until(lambda: len(reader.lines) >= len(engine.stored) - first, "the last come too")
    finally:
        follow.cancel()
        await asyncio.gather(follow, return_exceptions=True)
    assert [int(text) for _, text in reader.lines] == list(range(first, len(engine.stored)))
    missed, followed = docker.asked
    assert "since" in missed
    assert (followed["tail"], followed["follow"]) == (str(before - first + 20 + 32), "1")


@pytest.mark.parametrize("many", [5, 40, 700, 9000])
@pytest.mark.parametrize("each", [True, False])
def test_what_comes_before_the_follow_begins_is_not_missed(each: bool, many: int) -> None:
    engine = Engine(each)
    engine.count(100)
    reader = Reader(engine)
    reader.connection()
    engine.meanwhile = [
        engine.message("stdout", START + 200 * 10**9 + n // 3, b"x\n") for n in range(many)
    ]
    reader.connection()
    assert len(reader.lines) == 100 + many


def test_a_log_of_which_nothing_seen_is_left() -> None:
    engine = Engine(each=True)
    engine.count(100)
    reader = Reader(engine)
    reader.connection()

    new = [engine.message("stdout", START + (200 + n) * 10**9, b"new\n") for n in range(3)]
    engine.stored = new
    reader.connection()
    assert [text for _, text in reader.lines[100:]] == ["new"] * 3
    engine.stored = [engine.message("stdout", START + 300 * 10**9, b"newer\n")]
    reader.connection()
    reader.connection()
    assert reader.lines[103:] == [("stdout", "newer")]


def test_a_line_without_an_end_that_a_restart_ended_dates_no_other() -> None:
    cursor = LogCursor()
    cursor.enter(CONTAINER, None)
    cursor.take(LogMessage("stdout", START, b"bye"))
    cursor.finish()
    cursor.take(LogMessage("stdout", START + 10**9, b"hello\r"))
    cursor.take(LogMessage("stdout", START + 2 * 10**9, b"\n"))
    cursor.take(LogMessage("stdout", START + 3 * 10**9, b"again\n"))
    assert [(at, line.text) for at, line in cursor.ready] == [
        (time_of(START), "bye"),
        (time_of(START + 10**9), "hello"),
        (time_of(START + 3 * 10**9), "again"),
    ]


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


@pytest.mark.parametrize("left", [1, 40, 120])
def test_a_rotated_log_of_which_the_end_was_seen(left: int) -> None:
    """`left` messages are left: none that was seen, or some of them."""
    engine = Engine(each=True)
    engine.count(100)
    reader = Reader(engine, tail=50)
    reader.connection()
    for number in range(100, 160):
        engine.store("stdout", START + number * 10**9, b"%d\n" % number)
    del engine.stored[:-left]
    reader.connection()
    assert [int(text) for _, text in reader.lines[50:]] == list(range(max(100, 160 - left), 160))


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
