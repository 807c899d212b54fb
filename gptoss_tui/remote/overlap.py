"""Where the last messages of a log join what was read of it before.

A follow that asks for messages *since* a time goes silent once the box's clock is set back behind that
time: older engines compare the stamp of each new message. One that asks for the last so many messages
compares no stamps. Which of them are new is told by a message that was seen before.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from gptoss_tui.domain.parse.docker_log import LogMessage


class Cut(NamedTuple):
    """Between the messages `number - 1` and `number`; `before` is the newest stamp until there.

    `at` and `check` are the first message behind it, which no earlier one resembles: all are older.
    """

    before: int | None
    number: int
    at: int
    check: int


def check_of(message: LogMessage) -> int:
    """What tells messages with one stamp apart."""
    return zlib.crc32(message.data)


class Overlap:
    """Reads the last messages anew: `spare` more than were seen from the last cut on.

    `missed` says that the cut is not among them: more than `spare` are new, or the log was rotated.
    Where nothing older than the cut was seen (the clock was set back behind the first line), what
    the log has before it is older than the place where the reading began, and is left out too.
    """

    def __init__(self, cut: Cut, seen: int, spare: int) -> None:
        self._cut = cut
        self._spare = spare
        self._before = 0  # so many came before the cut
        # One of them is older, so that none like it was left out; where we began, none was seen.
        self._older = cut.number == 0
        self._again = seen - cut.number
        self.tail = str(self._again + spare)
        self.joined = self.missed = False

    def has(self, message: LogMessage) -> bool:
        """Whether this one was seen, or nothing can be told of it yet."""
        if not self.joined:
            self._look_for_cut(message)
        if not self.joined:
            return True
        self._again -= 1
        return self._again >= 0

    def _look_for_cut(self, message: LogMessage) -> None:
        if (message.at, check_of(message)) == (self._cut.at, self._cut.check):
            self.joined = self._older
            self.missed = not self.joined
            return
        self._before += 1
        self._older = self._older or (message.at is not None and message.at < self._cut.at)
        self.missed = self._before > self._spare
