"""The form of the table: which words, where, speak of which cause."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from gptoss_tui.domain.doctor.words import Words

# Where a row's words count: in an engine's log, in what Docker says, or in both.
Scope = Literal["log", "docker", "both"]

ROOT, LIKELY, WEAK, VAGUE, LAST, HINT = 0, 1, 2, 3, 4, 9


class Row(msgspec.Struct, frozen=True):
    """`words` (a regular expression) speak of `cause`.

    Of all rows that match in a log the lowest `rank` wins, then the first line: ROOT is a cause by
    itself, LIKELY is one unless something more definite is said, WEAK is one only where nothing
    better stands anywhere, VAGUE only in a line that tells of a failure, where nothing was raised
    before it and no server served, LAST only where nothing else went wrong, and HINT is evidence alone.
    `serving`: counts after the server was ready, too. `warned`: counts in a warning, too;
    `told`: at any level, for what is told in passing.
    `after`: one of the frames of the traceback above must match this.
    `within`: this must match "FILE FUNCTION" of the last of them, where it was raised.
    """

    cause: str
    words: Words
    rank: int = ROOT
    scope: Scope = "log"
    serving: bool = False
    warned: bool = False
    told: bool = False
    after: Words | None = None
    within: Words | None = None

    def counts_in(self, frames: str) -> bool:
        """Whether its words count behind these frames of a traceback."""
        if self.after is not None and not self.after.search(frames):
            return False
        return self.within is None or bool(self.within.search(_place(frames)))


_FRAME = Words(r'(?s:.*)File "([^"]+)", line \d+, in (\S+)')


def _place(frames: str) -> str:
    found = _FRAME.match(frames)
    return f"{found[1]} {found[2]}" if found else ""


def row(
    cause: str,
    words: str,
    rank: int = ROOT,
    *,
    scope: Scope = "log",
    serving: bool = False,
    warned: bool = False,
    told: bool = False,
    after: str = "",
    within: str = "",
) -> Row:
    """A row from its words; what Docker says is read without regard to case."""
    flags = re.IGNORECASE if scope == "docker" else 0
    return Row(
        cause, Words(words, flags), rank, scope, serving, warned or told, told,
        Words(after) if after else None, Words(within) if within else None,
    )  # fmt: skip
