"""A regular expression that is compiled at its first use: a table of them costs nothing to load."""

from __future__ import annotations

import re


class Words:
    """Like the compiled pattern it stands for."""

    __slots__ = ("_compiled", "flags", "pattern")

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self.pattern = pattern
        self.flags = flags
        self._compiled: re.Pattern[str] | None = None

    def _there(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = re.compile(self.pattern, self.flags)
        return self._compiled

    def search(self, text: str) -> re.Match[str] | None:
        """The first place in `text` that says it."""
        return self._there().search(text)

    def match(self, text: str) -> re.Match[str] | None:
        """Whether `text` begins with it."""
        return self._there().match(text)

    def sub(self, by: str, text: str) -> str:
        """`text` with `by` in place of it."""
        return self._there().sub(by, text)
