"""A launch as lines: phases with sign, bytes, rate and time left. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from textual.content import Content

from gptoss_tui.app.widgets.figures import UNKNOWN, age, gib
from gptoss_tui.app.widgets.spark import bar
from gptoss_tui.domain.progress import LaunchProgress, Phase
from gptoss_tui.domain.startup import compare

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
_SIGNS = {
    "pending": ("○", "$foreground 45%"),
    "running": ("▶", "$primary bold"),
    "done": ("✓", "$success"),
    "skipped": ("–", "$foreground 45%"),
    "failed": ("✗", "$error bold"),
}


@dataclass(frozen=True)
class Pace:
    """How fast bytes came lately: bytes per second, None until two samples are there."""

    rate: float | None = None


def timeline_lines(
    progress: LaunchProgress, now: datetime, pace: Pace, width: int
) -> list[Content]:
    """One line a phase, and a bar under the one that runs."""
    lines: list[Content] = []
    for phase in progress.phases:
        lines.append(_phase_line(phase, now))
        if phase.state == "running" and phase.total_bytes and phase.done_bytes is not None:
            lines.append(_bytes_line(phase, pace, width))
        elif phase.state == "running" and phase.fraction is not None:
            lines.append(_bar_line(phase.fraction, f"{phase.fraction:.0%}", width))
    return lines


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


def _bytes_line(phase: Phase, pace: Pace, width: int) -> Content:
    done, total = phase.done_bytes or 0, phase.total_bytes or 1
    text = f"{gib(done)} of {gib(total)} GiB"
    if pace.rate:
        left = max(0.0, (total - done) / pace.rate)
        text += f", {pace.rate / 1024**2:.0f} MiB/s, about {age(left)} left"
    # A bar that is full while work goes on would lie.
    return _bar_line(min(done / total, 0.99), text, width)


def _bar_line(ratio: float, text: str, width: int) -> Content:
    filled, empty = bar(ratio, max(10, min(40, width - len(text) - 6)))
    return Content.assemble(
        "   ", (filled, "$primary"), (empty, "$foreground 30%"), (f"  {text}", "$foreground")
    )


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
