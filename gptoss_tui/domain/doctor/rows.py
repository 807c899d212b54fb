"""The form of the table: which words, where, speak of which cause."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

# Where a row's words count: in an engine's log, in what Docker says, or in both.
Scope = Literal["log", "docker", "both"]

ROOT, LIKELY, WEAK, LAST, HINT = 0, 1, 2, 3, 9


class Row(msgspec.Struct, frozen=True):
    """`words` (a regular expression) speak of `cause`.

    Of all rows that match in a log the lowest `rank` wins, then the first line: ROOT is a cause by
    itself, LIKELY is one unless something more definite is said, WEAK is one only where nothing
    better stands anywhere, LAST only where nothing else went wrong, and HINT is evidence alone.
    `serving`: counts after the server was ready, too. `warned`: counts in a warning, too;
    `told`: at any level, for what is told in passing.
    `after`: one of the frames of the traceback above must match this.
    """

    cause: str
    words: re.Pattern[str]
    rank: int = ROOT
    scope: Scope = "log"
    serving: bool = False
    warned: bool = False
    told: bool = False
    after: re.Pattern[str] | None = None


def row(
    cause: str,
    words: str,
    rank: int = ROOT,
    *,
    scope: Scope = "log",
    serving: bool = False,
    warned: bool = False,
    told: bool = False,
    after: str | None = None,
) -> Row:
    """A row from its words; what Docker says is read without regard to case."""
    flags = re.IGNORECASE if scope == "docker" else 0
    return Row(
        cause, re.compile(words, flags), rank, scope, serving, warned or told, told,
        None if after is None else re.compile(after),
    )  # fmt: skip
