"""A measured ratio with its target, and the table of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """Medians of ours and of what it is held against; `unit` is "s", "%" or "tokens/s".

    The ratio tells how much worse ours is (of tokens/s, more is better). Without a `base` the target
    is a limit of `ours` itself, else of the ratio. Without a target the figure is for information.
    """

    name: str
    against: str
    unit: str
    ours: float
    base: float | None
    target: float | None
    runs: int

    @property
    def ratio(self) -> float | None:
        if not self.base:
            return None
        return self.base / self.ours if self.unit.endswith("/s") else self.ours / self.base

    @property
    def ok(self) -> bool:
        measured = self.ours if self.ratio is None else self.ratio
        return self.target is None or measured <= self.target


def compared(
    name: str,
    against: str,
    ours: Sequence[float],
    base: Sequence[float],
    target: float | None,
    *,
    unit: str = "s",
) -> Figure:
    """Times (seconds) or rates of ours and of the base, measured in turns."""
    runs = min(len(ours), len(base))
    return Figure(name, against, unit, median(ours), median(base), target, runs)


def document(figures: Sequence[Figure]) -> dict[str, Any]:
    """The table as one JSON document."""
    rows = [asdict(one) | {"ratio": one.ratio, "ok": one.ok} for one in figures]
    return {"figures": rows, "ok": all(one.ok for one in figures)}


def table(figures: Sequence[Figure]) -> str:
    """Medians, ratio, target and verdict, one line a figure."""
    rows: list[tuple[str, ...]] = [("what", "median", "against", "median", "ratio", "target", "")]
    rows += [_row(one) for one in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(one: Figure) -> tuple[str, ...]:
    sign = "x" if one.ratio is not None else one.unit
    ratio = "" if one.ratio is None else f"{one.ratio:.2f} x"
    base = "" if one.base is None else _value(one.base, one.unit)
    target = "" if one.target is None else f"<= {one.target:g} {sign}"
    verdict = "" if one.target is None else "ok" if one.ok else "over"
    return one.name, _value(one.ours, one.unit), one.against, base, ratio, target, verdict


def _value(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:.2f} {unit}"
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value * 1000:.0f} ms"
