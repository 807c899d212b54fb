"""A launch as lines: phases with sign, bytes, rate and time left. Pure."""

from __future__ import annotations

from datetime import datetime

from textual.content import Content

from gptoss_tui.app.widgets.figures import UNKNOWN, age
from gptoss_tui.app.widgets.spark import bar
from gptoss_tui.domain.launch_words import phase_words, stall_advice
from gptoss_tui.domain.progress import LaunchProgress, Phase
from gptoss_tui.domain.startup import compare
from gptoss_tui.text import clean_line

_TITLES = {
    "reserve": "reserve GPU and port",
    "pull": "pull the image",
    "create": "create the container",
    "start": "start it",
    "weights": "fetch the weights",
    "load": "load the weights",
    "compile": "compile",
    "capture": "capture CUDA graphs",
    "warmup": "warm up",
    "ready": "ready",
}
_MOST, _LONGEST = 6, 300  # lines of evidence, and characters of one
_SIGNS = {
    "pending": ("○", "$foreground 45%"),
    "running": ("▶", "$primary bold"),
    "done": ("✓", "$success"),
    "skipped": ("–", "$foreground 45%"),
    "failed": ("✗", "$error bold"),
}


def timeline_lines(progress: LaunchProgress, now: datetime, width: int) -> list[Content]:
    """One line a phase, and under the one that runs a bar and what there is to say of it."""
    lines: list[Content] = []
    for phase in progress.phases:
        lines.append(_phase_line(phase, now))
        if words := phase_words(phase, now):
            lines.append(_running_line(phase, words, width))
        if advice := stall_advice(phase):
            lines.append(Content.assemble(("   ▲ ", "$warning"), advice))
    return lines


def running_row(lines: list[Content], width: int) -> int:
    """The row at which the phase that runs stands, with one before it; the last one where none does."""
    rows = [-(-max(1, line.cell_length) // max(1, width)) for line in lines]
    mark = f" {_SIGNS['running'][0]} "
    at = next((n for n, line in enumerate(lines) if line.plain.startswith(mark)), len(lines))
    return max(0, sum(rows[:at]) - rows[0]) if rows else 0


def _phase_line(phase: Phase, now: datetime) -> Content:
    sign, style = _SIGNS[phase.state]
    title = _TITLES[phase.name]
    quiet = phase.state in ("pending", "skipped")
    parts: list[tuple[str, str]] = [
        (f" {sign} ", style),
        (f"{title:22}", "$foreground 55%" if quiet else "$foreground"),
        (f"{took(phase, now):>8}", "$foreground 70%"),
    ]
    if phase.detail:
        parts.append((f"  {phase.detail}", "$foreground 70%"))
    return Content.assemble(*parts)


def took(phase: Phase, now: datetime) -> str:
    """How long a phase took, or has taken until now."""
    if phase.started_at is None:
        return ""
    until = phase.ended_at or (now if phase.state == "running" else None)
    return age((until - phase.started_at).total_seconds()) if until else ""


def _running_line(phase: Phase, words: str, width: int) -> Content:
    """A bar where the end is known. It is never full: while work goes on, that would lie."""
    if phase.fraction is None:
        return Content.assemble("   ", (words, "$foreground"))
    return _bar_line(phase.fraction, words, width)


def _bar_line(ratio: float, text: str, width: int) -> Content:
    filled, empty = bar(ratio, max(10, min(40, width - len(text) - 6)))
    return Content.assemble(
        "   ", (filled, "$primary"), (empty, "$foreground 30%"), (f"  {text}", "$foreground")
    )


def evidence_lines(progress: LaunchProgress) -> str:
    """The lines that show a failure: what was raised, or the last that matter."""
    found = progress.diagnosis.evidence if progress.diagnosis else ()
    told = [clean_line(text, _LONGEST) for text in found if text not in progress.error]
    return "".join(f"\n  {text}" for text in told[-_MOST:])


def difference_table(progress: LaunchProgress | None) -> Content:
    """Planned, measured, difference; nothing where the engine has printed nothing."""
    if progress is None or progress.planned is None:
        return Content("")
    rows = compare(progress.planned.figures, progress.measured)
    if not rows:
        return Content("")
    lines = [f"\n\n{'':24}{'planned':>12}{'measured':>12}{'difference':>12}"]
    lines += [
        f"{f'{row.what} {row.unit}':24}{_number(row.planned)}{_number(row.measured)}"
        f"{_number(row.difference, sign='+')}"
        for row in rows
    ]
    return Content("\n".join(lines))


def _number(value: float | None, sign: str = "") -> str:
    """Twelve cells: whole numbers above a thousand, two decimals below."""
    if value is None:
        return f"{UNKNOWN:>12}"
    return f"{value:>{sign}12,.0f}" if abs(value) >= 1000 else f"{value:>{sign}12.2f}"
