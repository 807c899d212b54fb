"""How far a launch is: phases in their order, with bytes where there are bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gptoss_tui.domain.doctor.diagnosis import Diagnosis
from gptoss_tui.domain.facts import Body
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.startup import Prediction, StartupFigures

PhaseName = Literal[
    "reserve", "pull", "create", "start", "weights", "load", "compile", "capture", "warmup", "ready"
]
PHASES: tuple[PhaseName, ...] = (
    "reserve",
    "pull",
    "create",
    "start",
    "weights",
    "load",
    "compile",
    "capture",
    "warmup",
    "ready",
)
PhaseState = Literal["pending", "running", "done", "skipped", "failed"]
LaunchState = Literal["running", "ready", "failed", "cancelled"]
MOST = 0.99  # nothing that runs is at 100 %


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One phase. Times are the box's (UTC); `done_bytes` and `fraction` never go back.

    `total_bytes` may be None (not told yet). `fraction` is 0.0 to 1.0, and below 1 while the phase
    runs; None where the phase tells nothing. `left_s` is how long the phase still takes at this
    rate, with what follows the last byte (unpacking); `stalled_s` for how long nothing has come,
    where that is long; `unpack_bytes_per_s` how fast layers are unpacked. `last_s` is what this
    phase took the last time on this box, with this model and this version of the engine.
    """

    name: PhaseName
    state: PhaseState = "pending"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    fraction: float | None = None
    rate_bytes_per_s: float | None = None
    left_s: float | None = None
    stalled_s: float | None = None
    unpack_bytes_per_s: float | None = None
    retries: int = 0
    last_s: float | None = None
    detail: str = ""

    @property
    def took_s(self) -> float | None:
        """What the phase took; None where it has not ended, or its times are not known."""
        return _between(self.started_at, self.ended_at)


class LaunchProgress(Body, frozen=True, kw_only=True, tag="launch"):
    """A launch as it stands. `error` and `next_step` are sentences, where it failed.

    `measured` is what the engine has printed of its memory, `planned` what the plan had said.
    `diagnosis` is the doctor's, where it failed; `spec` what was launched; `replaces` the server
    whose place it takes.
    """

    launch_id: str
    name: str
    state: LaunchState
    phases: tuple[Phase, ...]
    container_id: str | None = None
    error: str = ""
    next_step: str = ""
    leftovers: tuple[str, ...] = ()
    planned: Prediction | None = None
    measured: StartupFigures = StartupFigures()
    diagnosis: Diagnosis | None = None
    spec: LaunchSpec | None = None
    replaces: str | None = None

    @property
    def current(self) -> Phase | None:
        """The phase that is running or failed, else the last that is done."""
        for phase in self.phases:
            if phase.state in ("running", "failed"):
                return phase
        done = [phase for phase in self.phases if phase.state == "done"]
        return done[-1] if done else None

    @property
    def took_s(self) -> float | None:
        """From the first phase to the end of the last that has ended."""
        begun = (phase.started_at for phase in self.phases if phase.started_at is not None)
        ended = (phase.ended_at for phase in self.phases if phase.ended_at is not None)
        return _between(min(begun, default=None), max(ended, default=None))

    def knows_more_than(self, other: LaunchProgress) -> bool:
        """Whether `other`, of the same launch, leaves out phases or the cause that this one has."""
        if len(other.phases) < len(self.phases):
            return True
        mine, its = self.diagnosis, other.diagnosis
        return mine is not None and mine.cause is not None and (its is None or its.cause is None)


# What takes as long the next time: a pull and a download do not, for then all is there.
_AGAIN: frozenset[PhaseName] = frozenset({"load", "compile", "capture", "warmup"})


def durations(progress: LaunchProgress) -> dict[str, float]:
    """What each phase of the engine's start took, in seconds."""
    return {
        phase.name: round(phase.took_s, 1)
        for phase in progress.phases
        if phase.name in _AGAIN and phase.state == "done" and phase.took_s is not None
    }


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else (end - begin).total_seconds()
