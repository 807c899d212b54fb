"""Where in a container's log a reader is, so that it goes on there: no gap, no line twice.

Docker's `since` lets through what is stamped at that nanosecond or later. That alone names no place
in a log: stamps repeat (all parts of a long line have the first one's), the two streams overtake
each other, and a box's clock may be set back. So a cursor remembers *cuts*: places where everything
before is older than everything after. Asking `since` a cut brings exactly what stood behind it, of
which as many messages are left out as were seen. The cut lies some seconds back, and before any line
that has not ended: what is stored next may be stamped earlier than what was seen last.
"""

from __future__ import annotations

import zlib
from collections import deque
from datetime import datetime
from typing import NamedTuple

from gptoss_tui.domain.instance import LogLine
from gptoss_tui.domain.parse.docker_log import LogMessage, Stream, time_of
from gptoss_tui.remote.lines import LineSplitter
from gptoss_tui.text import decode

Stamped = tuple[datetime | None, LogLine]

_CUTS = 256
# By how much a stamp may be older than one that was stored before it, on a clock that goes forward.
_MARGIN = 5 * 10**9


class _Cut(NamedTuple):
    """Between the messages `number - 1` and `number`; `before` is the newest stamp until there."""

    before: int | None
    number: int
    at: int
    check: int  # of the first message behind it


class LogCursor:
    """Opaque to whoever holds it. Give the same one to `Box.logs` again, and the log goes on.

    It moves with each line that is handed over. A line that has not ended yet is part of it, and so
    are lines that came with one message and were not taken any more. Its size is bounded.
    """

    def __init__(self) -> None:
        self._container = ""
        self._clear()

    def _clear(self) -> None:
        self._cuts: list[_Cut] = []
        self._seen = 0  # messages
        self._oldest: int | None = None
        self._newest: int | None = None
        self._pending: dict[Stream, _Pending] = {"stdout": _Pending(), "stderr": _Pending()}
        self._replayed: int | None = None  # the number of the next message that is seen again
        self._seeking: _Cut | None = None
        self.ready: deque[Stamped] = deque()

    def enter(self, container: str, tail: int | None, box_now: int | None = None) -> dict[str, str]:
        """The query that goes on in this container's log; another container's begins anew.

        `box_now` is what the box's clock shows (nanoseconds): it may have been set back meanwhile.
        """
        if container != self._container:
            tail = tail if not self._container else None
            self._container = container
            self._clear()
        self._replayed = self._seeking = None
        if self._newest is None:
            return {"tail": "all" if tail is None else str(tail)}
        cut = self._cut(box_now)
        since = self._oldest if cut.before is None else cut.before + 1
        assert since is not None
        if box_now is not None:
            since = min(since, box_now - _MARGIN)
        self._replayed, self._seeking = cut.number, cut
        return {"tail": "all", "since": f"{since // 10**9}.{since % 10**9:09d}"}

    def _cut(self, box_now: int | None) -> _Cut:
        """The newest one that nothing to come can be older than; else the place where we began."""
        assert self._newest is not None
        began = [pending.began for pending in self._pending.values()]
        limits = [self._newest, box_now, *began]
        limit = min(at for at in limits if at is not None) - _MARGIN
        for cut in reversed(self._cuts):
            if cut.before is None or cut.before < limit:
                return cut
        return self._cuts[0]

    def take(self, message: LogMessage) -> None:
        """One message of the log. The lines it completes are in `ready` then."""
        if self._was_seen(message):
            return
        if message.at is not None:
            self._mark(message, message.at)
        self._seen += 1
        pending = self._pending[message.stream]
        self.ready += pending.feed(message)

    def finish(self) -> None:
        """The log is over: a last line without an end is one too."""
        for pending in self._pending.values():
            self.ready += pending.flush()

    def _was_seen(self, message: LogMessage) -> bool:
        if self._replayed is None:
            return False
        newer = message.at is not None and self._newest is not None and message.at > self._newest
        if newer or self._replayed >= self._seen:
            # Newer than all that was seen, although seen ones are missing: the log was rotated.
            self._replayed = self._seeking = None
            return False
        if self._seeking is not None and (message.at, _check(message)) != self._seeking[2:]:
            return True  # older than what the first reading began with
        self._seeking = None
        self._replayed += 1
        return True

    def _mark(self, message: LogMessage, at: int) -> None:
        while self._cuts and (before := self._cuts[-1].before) is not None and before >= at:
            self._cuts.pop()
        if self._newest is None or at > self._newest:
            self._cuts.append(_Cut(self._newest, self._seen, at, _check(message)))
            self._newest = at
        if len(self._cuts) > _CUTS:  # thin out the older half, but keep the first
            half = _CUTS // 2
            self._cuts[:half] = self._cuts[:half:2]
        self._oldest = at if self._oldest is None else min(self._oldest, at)


class _Pending:
    """The line of one stream that has not ended, and when it began."""

    def __init__(self) -> None:
        self._splitter = LineSplitter()
        self.began: int | None = None
        self._stream: Stream = "stdout"

    def feed(self, message: LogMessage) -> list[Stamped]:
        self._stream = message.stream
        if self.began is None:
            self.began = message.at
        lines = self._splitter.feed(message.data)
        out = [self._line(raw, self.began if n == 0 else message.at) for n, raw in enumerate(lines)]
        if lines:
            self.began = None if message.data.endswith((b"\n", b"\r")) else message.at
        return out

    def flush(self) -> list[Stamped]:
        return [self._line(raw, self.began) for raw in self._splitter.flush()]

    def _line(self, raw: bytes, at: int | None) -> Stamped:
        return time_of(at), LogLine(text=decode(raw), stream=self._stream)


def _check(message: LogMessage) -> int:
    return zlib.crc32(message.data)
