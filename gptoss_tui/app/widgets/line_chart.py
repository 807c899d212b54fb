"""A history as a small area chart: title with the newest figure, axis, threshold, columns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gptoss_tui.app.widgets.figures import UNKNOWN, count, right
from gptoss_tui.app.widgets.paint import Cell, spread
from gptoss_tui.app.widgets.spark import EIGHTHS, columns, tail

AXIS = 5
_RUNS = re.compile(r" +|[^ ]+")


@dataclass(frozen=True)
class Chart:
    """All that a chart shows. `top` None scales by the data, to `least` at least; `alarm` is said
    beside the figure."""

    title: str
    values: tuple[float | None, ...] = ()
    figure: str = UNKNOWN
    note: str = ""
    top: float | None = None
    least: float = 1.0
    threshold: float | None = None
    alarm: str = ""
    ink: str = "cool"
    label: Callable[[float], str] = count


def nice_top(values: Sequence[float | None], least: float = 1.0) -> float:
    """A round figure at or above every value: 1, 2, 2.5 or 5 times a power of ten."""
    peak = max((value for value in values if value is not None), default=0.0)
    peak = max(peak, least)
    power = 10.0 ** math.floor(math.log10(peak))
    for step in (1.0, 2.0, 2.5, 5.0, 10.0):
        if peak <= step * power * 1.0001:
            return step * power
    return 10.0 * power


def chart_lines(chart: Chart, width: int, height: int) -> list[list[Cell]]:
    """The chart in `height` lines: the title, then the plot with its axis."""
    lines = [_heading(chart, width)]
    rows = height - 1
    if rows < 1:
        return lines[:height]
    axis = AXIS if width >= 24 else 0
    shown = tail(chart.values, width - axis - (1 if axis else 0))
    top = chart.top or nice_top(shown, chart.least)
    mark = _threshold_row(chart, top, rows)
    for number, row in enumerate(columns(shown, len(shown), rows, top)):
        cells = _labels(chart, top, number, rows) if axis else []
        lines.append(cells + _plot(chart, row, shown, number == mark))
    return lines


def _heading(chart: Chart, width: int) -> list[Cell]:
    start: list[Cell] = [(chart.title, "dim"), (" ", "text")]
    start.append((chart.figure, "warn" if chart.alarm else "strong"))
    if chart.alarm:
        start.append((f" ▲ {chart.alarm}", "warn"))
    return spread(start, [(f"{chart.note}  ", "dim")] if chart.note else [], width)


def _threshold_row(chart: Chart, top: float, rows: int) -> int | None:
    if chart.threshold is None or chart.threshold > top:
        return None
    return rows - 1 - min(rows - 1, int(chart.threshold / top * rows))


def _labels(chart: Chart, top: float, number: int, rows: int) -> list[Cell]:
    if number == 0:
        return [(right(chart.label(top), AXIS), "dim"), ("┤", "faint")]
    if number == rows - 1:
        return [(right(chart.label(0.0), AXIS), "dim"), ("┤", "faint")]
    return [(" " * AXIS, "text"), ("│", "faint")]


def _plot(chart: Chart, row: str, shown: Sequence[float | None], threshold: bool) -> list[Cell]:
    """One row of columns: what is above the threshold in another ink, the line where it is empty."""
    if chart.threshold is None:
        return [(run, chart.ink if run.strip() else "text") for run in _RUNS.findall(row)]
    cells: list[Cell] = []
    run, run_ink = "", ""
    for column, value in zip(row, shown, strict=True):
        over = chart.threshold is not None and value is not None and value > chart.threshold
        ink, shape = ("warn" if over else chart.ink), column
        if column == EIGHTHS[0]:
            ink, shape = ("faint", "╌") if threshold else ("text", " ")
        if ink != run_ink and run:
            cells.append((run, run_ink))
            run = ""
        run, run_ink = run + shape, ink
    return [*cells, (run, run_ink)] if run else cells
