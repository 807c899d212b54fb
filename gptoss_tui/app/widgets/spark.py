"""Columns and bars out of block characters: pure text, no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

EIGHTHS = " ▁▂▃▄▅▆▇█"


def tail(values: Sequence[float | None], width: int) -> list[float | None]:
    """The last `width` values, with unknowns in front where there are fewer."""
    last = list(values[-width:]) if width > 0 else []
    return [None] * (width - len(last)) + last


def sparkline(values: Sequence[float | None], width: int, top: float) -> str:
    """One row of columns, newest at the right; 0 is a thin line, unknown a space."""
    return "".join(_column(value, top) for value in tail(values, width))


def _column(value: float | None, top: float) -> str:
    if value is None:
        return " "
    if top <= 0:
        return EIGHTHS[1]
    return EIGHTHS[max(1, min(8, round(value / top * 8)))]


def columns(values: Sequence[float | None], width: int, height: int, top: float) -> list[str]:
    """`height` rows of columns, the topmost first; a value above zero shows at least a line."""
    steps = "".join(chr(_steps(value, height, top)) for value in tail(values, width))
    return [steps.translate(_shapes(row, height)) for row in range(height - 1, -1, -1)]


@lru_cache(maxsize=64)
def _shapes(row: int, height: int) -> dict[int, str]:
    """What the row (0 is the lowest) shows of a column of so many eighths."""
    return {step: EIGHTHS[max(0, min(8, step - row * 8))] for step in range(height * 8 + 1)}


def _steps(value: float | None, height: int, top: float) -> int:
    if value is None or value <= 0 or top <= 0:
        return 0
    return max(1, min(height * 8, round(value / top * height * 8)))


def bar(ratio: float | None, width: int) -> tuple[str, str]:
    """A bar as its filled and its empty part, which differ in shape and not only in colour."""
    if width <= 0:
        return "", ""
    if ratio is None:
        return "", "┄" * width
    halves = max(0, min(width * 2, round(ratio * width * 2)))
    if ratio > 0:
        halves = max(halves, 1)
    filled = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return filled, "─" * (width - len(filled))
