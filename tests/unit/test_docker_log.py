"""The bytes of Docker's log endpoint as messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.parse.docker_log import LogMessage, MuxReader, TtyReader, time_of

STAMP = b"2026-01-02T03:04:05.000000001Z "
AT = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()) * 10**9 + 1


def _frame(stream: int, body: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(body).to_bytes(4, "big") + body


_FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=6)


@given(_FRAMES, st.integers(1, 20))
def test_messages_survive_any_cut(frames: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(_frame(stream, STAMP + body) for stream, body in frames)
    reader = MuxReader()
    out: list[LogMessage] = []
    for at in range(0, len(data), size):
        out += reader.feed(data[at : at + size])
    names = {1: "stdout", 2: "stderr"}
    assert out == [(names[stream], AT, body) for stream, body in frames]


def test_a_message_that_has_not_arrived_is_not_handed_on() -> None:
    reader = MuxReader()
    data = _frame(2, STAMP + b"abc\n")
    assert reader.feed(data[:-1]) == []
    assert reader.feed(data[-1:]) == [LogMessage("stderr", AT, b"abc\n")]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_terminals_log_is_stamps_and_text(size: int) -> None:
    long = b"x" * 16384
    data = (
        STAMP
        + b"one\r\n"
        + STAMP
        + long
        + STAMP
        + b"end\r\n"
        + b"no stamp at all, just text here\n"
    )
    reader = TtyReader()
    out: list[LogMessage] = []
    for at in range(0, len(data), size):
        out += reader.feed(data[at : at + size])
    assert out == [
        ("stdout", AT, b"one\r\n"),
        ("stdout", AT, long),
        ("stdout", AT, b"end\r\n"),
        ("stdout", None, b"no stamp at all, just text here\n"),
    ]


def test_a_stamp_and_its_line() -> None:
    (message,) = MuxReader().feed(_frame(1, STAMP + b" two spaces stay"))
    assert message[1:] == (AT, b" two spaces stay")
    assert time_of(message.at) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    (message,) = MuxReader().feed(_frame(1, b"2026-01-02T05:04:05.5+02:00 x"))
    assert message[1:] == (AT + 499_999_999, b"x")
    assert MuxReader().feed(_frame(1, b"no stamp"))[0] == ("stdout", None, b"no stamp")
    assert time_of(None) is None


@given(st.from_regex(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) x\Z"))
def test_odd_stamps_never_raise_and_cost_no_text(line: str) -> None:
    raw = line.encode()
    (message,) = MuxReader().feed(_frame(1, raw))
    assert message.data == (raw if message.at is None else b"x")
