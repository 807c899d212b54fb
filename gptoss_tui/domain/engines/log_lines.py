"""Reading log lines by tables: a pattern for each phase, and one for each figure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.failures import fatal_mark
from gptoss_tui.domain.parse.numbers import finite
from gptoss_tui.domain.progress import PhaseName
from gptoss_tui.domain.startup import StartupFigures

_PERCENT = re.compile(r"(\d{1,3})%(?: Completed)?\s*\|")
_WHOLE = ("kv_tokens",)


class LogTable:
    """The lines of one engine. `quick` are words of which each line of the tables has one."""

    def __init__(
        self,
        lines: Iterable[tuple[str, PhaseName, str]],
        figures: Iterable[tuple[str, str]],
        quick: tuple[str, ...],
    ) -> None:
        self._lines = tuple((re.compile(pattern), phase, said) for pattern, phase, said in lines)
        self._figures = tuple((name, re.compile(pattern)) for name, pattern in figures)
        self._quick = quick

    def read(self, line: str) -> PhaseMark | None:
        """The phase that a line speaks of, or the failure that it is; None for nearly all lines."""
        if mark := fatal_mark(line):
            return mark
        if not any(word in line for word in self._quick):
            return None
        for pattern, phase, detail in self._lines:
            if match := pattern.search(line):
                return PhaseMark(
                    phase=phase,
                    fraction=_fraction(line),
                    detail=match.expand(detail) if detail else "",
                    figures=self.figures(line),
                )
        return None

    def figures(self, line: str) -> StartupFigures | None:
        """What a line says of the engine's memory; None for nearly all lines."""
        found: dict[str, float] = {}
        for name, pattern in self._figures:
            match = pattern.search(line)
            number = finite(match[1].replace(",", "")) if match else None
            if number is not None:
                found[name] = int(number) if name in _WHOLE else number
        return StartupFigures(**found) if found else None  # type: ignore[arg-type]


def _fraction(line: str) -> float | None:
    found = _PERCENT.findall(line)
    return min(int(found[-1]), 100) / 100 if found else None
