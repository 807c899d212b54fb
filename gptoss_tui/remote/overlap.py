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
    Where nothing older than the cut was seen, all of the log is read, which begins with it.
    """

    def __init__(self, cut: Cut, seen: int, newest: int, spare: int) -> None:
        self._cut = cut
        self._newest = newest
        self._spare = spare
        self._before = 0  # so many came before the cut
        self._older = cut.number == 0  # and one of them is older, so that none like it was left out
        self._again = seen - cut.number
        self.tail = str(self._again + spare) if cut.number else "all"
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
        is_new = message.at is not None and message.at > self._newest
        self.missed = is_new or self._before > self._spare or self._cut.number == 0
