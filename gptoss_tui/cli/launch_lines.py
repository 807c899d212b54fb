"""A launch as lines of a terminal or a log file: what is new at once, figures now and then."""

from __future__ import annotations

from datetime import datetime

from gptoss_tui.cli.output import Output
from gptoss_tui.domain.facts import Fact
from gptoss_tui.domain.gpu import GIB
from gptoss_tui.domain.launch_words import phase_words, span, stall_advice
from gptoss_tui.domain.progress import LaunchProgress, Phase

FIGURES_S = 5.0


class LaunchLines:
    """Show it each fact of a launch."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._shown = ""
        self._state: tuple[object, ...] = ()
        self._at: datetime | None = None
        self._ended: set[str] = set()

    def show(self, fact: Fact[LaunchProgress]) -> None:
        for phase in fact.body.phases:
            if phase.state == "done" and phase.name not in self._ended:
                self._ended.add(phase.name)
                self._end(phase)
        current = fact.body.current
        if current is not None and current.state != "done":
            self._now(current, fact)

    def _end(self, phase: Phase) -> None:
        """What took a while, or was shown as running, is said to be done."""
        took_s = phase.took_s or 0.0
        if phase.name == "ready" or (took_s < 1 and self._state[:1] != (phase.name,)):
            return
        size = f"{phase.total_bytes / GIB:.1f} GiB  " if phase.total_bytes else ""
        self._output.line(f"{phase.name:8} done     {size}{span(took_s)}")

    def _now(self, phase: Phase, fact: Fact[LaunchProgress]) -> None:
        stalled = phase.stalled_s is not None
        state = (phase.name, phase.state, stalled, phase.retries)
        new = state != self._state
        since = None if self._at is None else (fact.our_time - self._at).total_seconds()
        if not new and since is not None and since < FIGURES_S:
            return
        line = _line(phase, fact.box_time)
        if line == self._shown:
            return
        self._output.line(line)
        if new and stalled:
            self._output.line(f"  {stall_advice(phase)}")
        self._shown, self._state, self._at = line, state, fact.our_time


def _line(phase: Phase, now: datetime | None) -> str:
    words = "  ".join(text for text in (phase_words(phase, now), phase.detail) if text)
    return f"{phase.name:8} {phase.state}  {words}".rstrip()
