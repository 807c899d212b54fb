"""The log endpoint of the Docker Engine: its bytes as whole messages, with stamps to the nanosecond.

A message is what Docker stored at once: a line, or 16 KiB of a longer one. All parts of a line have
the stamp of the first, and messages of the other stream may stand between them: stamps neither
grow strictly nor are they unique.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

Stream = Literal["stdout", "stderr"]

# Docker stores lines in parts of 16 KiB; only a foreign log driver sends more at once.
PART = 16 * 1024
LIMIT = 1024 * 1024
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ")
_STAMP_BYTES = 36  # none is longer
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogMessage(NamedTuple):
    """`at`: nanoseconds since 1970, None where there is no stamp. `data` ends a line or does not."""

    stream: Stream
    at: int | None
    data: bytes


def time_of(at: int | None) -> datetime | None:
    """The stamp as a fact carries it (to the microsecond)."""
    return None if at is None else _EPOCH + timedelta(microseconds=at // 1000)


class LogReader(Protocol):
    def feed(self, data: bytes) -> list[LogMessage]:
        """The messages that `data` completes."""


class MuxReader:
    """Frames of 8 bytes head (stream, 3 zeros, length) and body, as most containers' logs are."""

    def __init__(self) -> None:
        self._rest = b""
        self._excess = 0  # bytes of an overlong frame that are still to be left out

    def feed(self, data: bytes) -> list[LogMessage]:
        if self._excess:
            data, self._excess = data[self._excess :], max(0, self._excess - len(data))
        buffer = self._rest + data if self._rest else data
        found: list[LogMessage] = []
        begin = 0
        while len(buffer) - begin >= 8:
            length = int.from_bytes(buffer[begin + 4 : begin + 8], "big")
            end = begin + 8 + min(length, LIMIT)
            if len(buffer) < end:
                break
            stream: Stream = "stderr" if buffer[begin] == 2 else "stdout"
            found.append(_message(stream, buffer[begin + 8 : end]))
            begin = end
            if length > LIMIT:
                there = min(len(buffer) - end, length - LIMIT)
                self._excess = length - LIMIT - there
                begin += there
        self._rest = buffer[begin:]
        return found


class TtyReader:
    """The log of a container with a terminal: stamped messages, one behind the other."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[LogMessage]:
        buffer = self._rest + data
        found: list[LogMessage] = []
        begin = 0
        while (end := _end_of_message(buffer, begin)) is not None:
            found.append(_message("stdout", buffer[begin:end]))
            begin = end
        self._rest = buffer[begin:]
        return found


def _end_of_message(buffer: bytes, begin: int) -> int | None:
    """A message ends with its line, or after 16 KiB where the next stamp stands."""
    stamp = _STAMP.match(buffer, begin)
    if stamp is None and len(buffer) - begin < _STAMP_BYTES and b"\n" not in buffer[begin:]:
        return None
    text = stamp.end() if stamp else begin
    newline = buffer.find(b"\n", text, text + PART)
    if newline >= 0:
        return newline + 1
    return text + PART if len(buffer) >= text + PART else None


def _message(stream: Stream, raw: bytes) -> LogMessage:
    stamp = _STAMP.match(raw)
    if stamp is None:
        return LogMessage(stream, None, raw)
    seconds = _seconds(stamp[1] + stamp[3])
    if seconds is None:
        return LogMessage(stream, None, raw)
    nanoseconds = int((stamp[2] or b"0").ljust(9, b"0"))
    return LogMessage(stream, seconds * 1_000_000_000 + nanoseconds, raw[stamp.end() :])


@lru_cache(maxsize=64)
def _seconds(text: bytes) -> int | None:
    try:
        return int(datetime.fromisoformat(text.decode("ascii", errors="replace")).timestamp())
    except (ValueError, OverflowError):
        return None
