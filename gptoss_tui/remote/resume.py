"""Where in a container's log a reader is, so that it goes on there: no gap, no line twice.

Docker's `since` lets through what is stamped at that nanosecond or later. That alone names no place
in a log: stamps repeat (all parts of a long line have the first one's), the two streams overtake
each other, and a box's clock may be set back. So a cursor remembers *cuts*: places where everything
before is older than everything after. Asking `since` a cut brings exactly what stood behind it, of
which as many messages are left out as were seen. The cut lies some seconds back, and before any line
that has not ended: what is stored next may be stamped earlier than what was seen last. Where the
clock was set back meanwhile, it is asked for as much more as may have been stored under the new time.

That is for what came meanwhile. A follow has no `since` in it: it goes on behind the last messages
(`remote.overlap`), whatever the clock does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

from gptoss_tui.domain.instance import LogLine
from gptoss_tui.domain.parse.docker_log import LogMessage, Stream, time_of
from gptoss_tui.remote.box_clock import BoxClock
from gptoss_tui.remote.lines import LineSplitter
from gptoss_tui.remote.overlap import Cut, Overlap, check_of
from gptoss_tui.remote.pulse import REAL
from gptoss_tui.text import decode

Stamped = tuple[datetime | None, LogLine]

_CUTS = 256
# By how much a stamp may be older than one that was stored before it, on a clock that goes forward.
_MARGIN = 5 * 10**9
# How long a message may have been on its way (a narrow link holds up minutes of them).
_LATE = 600 * 10**9


class LogCursor:
    """Opaque to whoever holds it. Give the same one to `Box.logs` again, and the log goes on.

    It moves with each line that is handed over. A line that has not ended yet is part of it, and so
    are lines that came with one message and were not taken any more. Its size is bounded. `clock`
    is one that is never set; it counts seconds.
    """

    def __init__(self, clock: Callable[[], float] = REAL.seconds) -> None:
        self._container = ""
        self.run = ""  # of the server that said what was handed over last (`remote.logs`)
        self._box_clock = BoxClock(clock)
        self.clock = clock
        self._clear()

    def _clear(self) -> None:
        self._cuts: list[Cut] = []
        self._seen = 0  # messages
        self._oldest: int | None = None
        self._newest: int | None = None
        self._last = 0  # the stamp of the one that was seen last
        self._taken = 0.0  # when that was, by our clock
        self._tailed = False  # there may be lines before the first that was seen
        self._floor: int | None = None  # what was missed may be as old as that, after a set-back
        self._pending: dict[Stream, _Pending] = {"stdout": _Pending(), "stderr": _Pending()}
        self._replayed: int | None = None  # the number of the next message that is seen again
        self._seeking: dict[tuple[int, int], int] = {}  # the cuts that may come, with their numbers
        self._overlap: Overlap | None = None
        self._anew = False
        self.ready: deque[Stamped] = deque()

    def enter(
        self, container: str, tail: int | None, box_now: int | None = None, asked: float = 0.0
    ) -> dict[str, str]:
        """The query that goes on in this container's log; another container's begins anew.

        `box_now` is what the box's clock shows (nanoseconds), and `asked` when it was asked, by
        ours: it may have been set back meanwhile.
        """
        if container != self._container:
            tail = tail if not self._container else None
            self._container = container
            self._clear()
        self._replayed = self._overlap = None
        self._seeking, self._anew = {}, False
        if box_now is not None and self._box_clock.was_set_back(box_now, asked):
            # Nobody knows when: what came first under the new time may be as old as our last look.
            floor = box_now - int((self.clock() - self._taken) * 10**9) - _LATE
            self._floor = floor if self._floor is None else min(self._floor, floor)
        if self._newest is None:
            self._tailed = tail is not None
            return {"tail": "all" if tail is None else str(tail)}
        limit = self._limit(box_now)
        cut = self._cut(limit)
        since = self._oldest if cut.before is None else cut.before + 1
        assert since is not None
        since = max(0, min(since, limit))
        self._replayed = cut.number
        later = self._cuts[self._cuts.index(cut) :]
        self._seeking = {(one.at, one.check): one.number for one in later}
        return {"tail": "all", "since": f"{since // 10**9}.{since % 10**9:09d}"}

    def enter_end(self, spare: int) -> dict[str, str]:
        """The query that goes on behind all that was seen, if at most `spare` messages are new.

        `missed` tells when they are more; then nothing was taken of them. Where the answer before
        had nothing of what was seen, the log was rotated: all that it has now is new.
        """
        self._anew = bool(self._seeking)
        self._replayed = self._floor = None
        self._seeking = {}
        if self._anew:
            return {"tail": "all"}
        self._overlap = Overlap(self._cuts[-1], self._seen, spare)
        return {"tail": self._overlap.tail}

    @property
    def missed(self) -> bool:
        return self._overlap is not None and self._overlap.missed

    @property
    def joined(self) -> bool:
        """What was asked for by `enter_end` has reached back to what was seen, if that is there."""
        return self._anew or (self._overlap is not None and self._overlap.joined)

    def _limit(self, box_now: int | None) -> int:
        """Nothing to come is older than this."""
        began = [pending.began for pending in self._pending.values()]
        limits = [self._last, box_now, self._floor, *began]
        return min(at for at in limits if at is not None) - _MARGIN

    def _cut(self, limit: int) -> Cut:
        """The newest one that nothing to come is older than; else the place where we began."""
        for cut in reversed(self._cuts):
            if cut.before is None or cut.before < limit:
                return cut
        return self._cuts[0]

    def take(self, message: LogMessage) -> None:
        """One message of the log. The lines it completes are in `ready` then."""
        if self._was_seen(message):
            return
        self._taken = self.clock()
        if message.at is not None:
            self._mark(message, message.at)
        self._seen += 1
        pending = self._pending[message.stream]
        self.ready += pending.feed(message)

    def finish(self) -> None:
        """The log is over: a last line without an end is one too."""
        self._floor = None
        for pending in self._pending.values():
            self.ready += pending.flush()

    def _was_seen(self, message: LogMessage) -> bool:
        if self._overlap is not None:
            return self._overlap.has(message)
        if self._replayed is None:
            return False
        newer = message.at is not None and self._newest is not None and message.at > self._newest
        # What the first reading left out may be stamped later: the clock was ahead, and set back.
        rotated = newer and not (self._seeking and self._tailed)
        if rotated or self._replayed >= self._seen:
            # Newer than all that was seen, although seen ones are missing: the log was rotated.
            self._replayed, self._seeking = None, {}
            return False
        if self._seeking:
            number = self._seeking.get((message.at or 0, check_of(message)))
            if number is None:
                return True  # older than what the first reading began with
            self._replayed, self._seeking = number, {}
        self._replayed += 1
        return True

    def _mark(self, message: LogMessage, at: int) -> None:
        self._last = at
        while self._cuts and (before := self._cuts[-1].before) is not None and before >= at:
            self._cuts.pop()
        if self._newest is None or at > self._newest:
            self._cuts.append(Cut(self._newest, self._seen, at, check_of(message)))
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
        if not self._splitter.pending:
            self.began = None
        elif lines:
            self.began = message.at
        return out

    def flush(self) -> list[Stamped]:
        lines = [self._line(raw, self.began) for raw in self._splitter.flush()]
        self.began = None
        return lines

    def _line(self, raw: bytes, at: int | None) -> Stamped:
        return time_of(at), LogLine(text=decode(raw), stream=self._stream)
