"""Plain words of which one stands in every text that a regular expression matches.

To look for a plain word takes a hundredth of what an expression takes, and nearly no line of a log
has the words of more than a few rows of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from gptoss_tui.domain.doctor.rows import Row

_SHORTEST = 3
# Words of failing, which any line that a row may match is likely to have.
_COMMON = (
    "fail",
    "error",
    "not ",
    "cannot",
    "can't",
    "could",
    "unable",
    "missing",
    "no such",
    "does",
)
# Python's own reader of expressions: the same one that compiles them.
_parse = import_module("re._parser").parse
_Words = frozenset[str]


def needles(pattern: str, flags: int = 0) -> _Words:
    """Words in lower case, one of which is in every text that matches; none where that is unsure.

    Raises re.error where the pattern is no regular expression.
    """
    return _of(_parse(pattern, flags & re.IGNORECASE))


def _of(items: Iterable[tuple[Any, Any]]) -> _Words:
    """The best of what all of `items`, one behind the other, ask for."""
    asked: list[_Words] = []
    run = ""
    for kind, said in items:
        name = str(kind)
        if name in ("AT", "ASSERT", "ASSERT_NOT"):  # They take no room.
            continue
        letter = _letter(name, said)
        if letter:
            run += letter
            continue
        asked.append(frozenset({run}))
        run = ""
        if name == "SUBPATTERN":
            asked.append(_of(said[-1]))
        elif name == "BRANCH":
            asked.append(_any_of([_of(one) for one in said[1]]))
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") and said[0] > 0:
            asked.append(_of(said[2]))
    asked.append(frozenset({run}))
    return max(asked, key=_worth) if any(map(_long, asked)) else frozenset()


def _letter(name: str, said: Any) -> str:
    """The one letter that an item stands for, whatever its case."""
    if name == "LITERAL":
        return chr(said).lower()
    if name == "IN" and all(str(kind) == "LITERAL" for kind, _ in said):
        letters = {chr(one).lower() for _, one in said}
        return letters.pop() if len(letters) == 1 else ""
    return ""


def _any_of(branches: Sequence[_Words]) -> _Words:
    return frozenset().union(*branches) if all(branches) else frozenset()


def _long(words: _Words) -> bool:
    return bool(words) and min(map(len, words)) >= _SHORTEST


def _worth(words: _Words) -> tuple[bool, bool, int]:
    """Long enough, then rare, then longer."""
    rare = not any(word.startswith(_COMMON) for word in words)
    return _long(words), rare, min(map(len, words), default=0)


class Sieve:
    """Rows of the table, of which it finds those that a message may match."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.all = tuple(rows)
        # The first letters of a word, the word, and the numbers of the rows that ask for it.
        self._behind: dict[str, dict[str, list[int]]] = {}
        self._always: list[int] = []
        self._filled = False

    def rows(self, message: str) -> list[Row]:
        """The rows whose words may stand in `message`, in their order."""
        if not self._filled:
            self._fill()
        low = message.lower()
        there = set(self._always)
        begins = {low[at : at + _SHORTEST] for at in range(len(low) - _SHORTEST + 1)}
        for begin in begins & self._behind.keys():
            for needle, numbers in self._behind[begin].items():
                if needle in low:
                    there.update(numbers)
        return [self.all[number] for number in sorted(there)]

    def _fill(self) -> None:
        self._filled = True
        for number, row in enumerate(self.all):
            words = needles(row.words.pattern, row.words.flags)
            for word in words:
                self._behind.setdefault(word[:_SHORTEST], {}).setdefault(word, []).append(number)
            if not words:
                self._always.append(number)
