"""The doctor: reads a log line by line, in bounded memory, and says what went wrong."""

from __future__ import annotations

from collections.abc import Iterable

from gptoss_tui.domain.doctor.causes import CAUSES
from gptoss_tui.domain.doctor.changes import change_for
from gptoss_tui.domain.doctor.diagnosis import Diagnosis
from gptoss_tui.domain.doctor.lines import Line, take_apart
from gptoss_tui.domain.doctor.rows import HINT, LAST, VAGUE
from gptoss_tui.domain.doctor.service import Mark, Service
from gptoss_tui.domain.doctor.words import Words

_VERSION = Words(
    r"(?:vLLM API server version|Initializing an? \S+ (?:LLM )?engine \(v?)[ :]*(\d+\.\d+\.\d+)\b"
)
_MOST_SERVICES = 32


class Doctor:
    """Feed it a log's lines in their order, then `finish`. Never raises on odd lines."""

    def __init__(self) -> None:
        self._number = 0
        self._services: dict[str, Service] = {}
        self._version = ""

    def feed(self, raw: str) -> None:
        """Read one line, with or without its end."""
        self._number += 1
        # A progress bar draws over itself: what was said after it stands behind a carriage return.
        for part in raw.rstrip("\r\n").split("\r"):
            if part:
                self._part(take_apart(part))

    def _part(self, line: Line) -> None:
        service = self._services.get(line.speaker[0])
        if service is None:
            if len(self._services) >= _MOST_SERVICES:
                self._services.pop(next(iter(self._services)))
            service = self._services[line.speaker[0]] = Service()
        service.feed(self._number, line)
        if not self._version and (found := _VERSION.search(line.message)):
            self._version = found[1]

    def finish(self, *, exit_code: int | None = None, oom_killed: bool = False) -> Diagnosis:
        """The diagnosis. `exit_code` and `oom_killed` are what Docker knows of the container."""
        services = list(self._services.values())
        if best := self._best(services):
            return best
        if oom_killed:
            return _of("host_memory", ("Docker: OOMKilled",))
        stopping = any(service.stopping for service in services)
        itself = stopping or any(service.killed_itself for service in services)
        if exit_code in _SIGNALS and not (itself and exit_code == 137):
            return _of(_SIGNALS[exit_code], (f"Docker: exited ({exit_code})",))
        return self._unknown(services, exit_code, stopping)

    def _best(self, services: list[Service]) -> Diagnosis | None:
        first = min((s.raised.number for s in services if s.raised), default=None)
        found = [mark for service in services for mark in service.marks.values()]
        found = [mark for mark in found if _counts(mark, first)]
        if not found:
            return None
        mark = min(found, key=lambda one: (one.rank, one.number))
        hints = [h for s in services for h in s.hints if h[0] == mark.cause]
        shown = sorted({*mark.evidence, *((number, text) for _, number, text in hints)})
        change = change_for(mark.cause, mark.message, self._version)
        cause = CAUSES[mark.cause]
        return Diagnosis(
            verdict="known",
            cause=mark.cause,
            evidence=tuple(text for _, text in shown),
            lines=tuple(number for number, _ in shown),
            explanation=cause.explanation,
            fix=cause.fix,
            change=change,
        )

    def _unknown(self, services: list[Service], exit_code: int | None, stopping: bool) -> Diagnosis:
        shown: list[tuple[int, str]] = []
        failed = exit_code not in (None, 0) and not (stopping and exit_code in (130, 143))
        failed = failed or (exit_code == 0 and any(one.ended_early for one in services))
        for service in services:
            shown += service.last_words(always=failed)
        if not shown and not failed:
            said = "The log is empty."
            if self._number:
                lines = "line" if self._number == 1 else f"{self._number:,} lines"
                said = f"Nothing in its {lines} tells of a failure."
            return Diagnosis(verdict="nothing_wrong", explanation=said, fix="")
        shown.sort()
        code = "" if exit_code in (None, 0) else f" (exit code {exit_code})"
        return Diagnosis(
            verdict="unknown",
            evidence=tuple(text for _, text in shown),
            lines=tuple(number for number, _ in shown),
            explanation=f"The server failed{code}, with words that are not known here.",
            fix="Read the lines above; look for them in the engine's issues.",
        )


def _counts(mark: Mark, first_raised: int | None) -> bool:
    """Whether a candidate counts beside what was raised first, known or not."""
    if mark.rank == LAST:
        return first_raised is None
    if mark.rank == VAGUE:
        return first_raised is None or mark.number <= first_raised
    return mark.rank < HINT


_SIGNALS = {137: "killed", 139: "crashed", 132: "cpu_too_old"}


def _of(cause: str, evidence: tuple[str, ...]) -> Diagnosis:
    known = CAUSES[cause]
    return Diagnosis(
        verdict="known", cause=cause, evidence=evidence, lines=(0,) * len(evidence),
        explanation=known.explanation, fix=known.fix, change=change_for(cause, ""),
    )  # fmt: skip


def diagnose(
    lines: Iterable[str], *, exit_code: int | None = None, oom_killed: bool = False
) -> Diagnosis:
    """Read a whole log."""
    doctor = Doctor()
    for line in lines:
        doctor.feed(line)
    return doctor.finish(exit_code=exit_code, oom_killed=oom_killed)
