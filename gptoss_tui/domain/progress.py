"""How far a launch is: phases in their order, with bytes where there are bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gptoss_tui.domain.facts import Body
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


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One phase. Times are the box's (UTC); `done_bytes` never goes back.

    `total_bytes` may be None (not told yet). `fraction` is 0.0 to 1.0 for phases without bytes
    (shards, captured graphs); None where the phase tells nothing.
    """

    name: PhaseName
    state: PhaseState = "pending"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    fraction: float | None = None
    detail: str = ""


class LaunchProgress(Body, frozen=True, kw_only=True, tag="launch"):
    """A launch as it stands. `error` and `next_step` are sentences, where it failed.

    `measured` is what the engine has printed of its memory, `planned` what the plan had said.
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

    @property
    def current(self) -> Phase | None:
        """The phase that is running or failed, else the last that is done."""
        for phase in self.phases:
            if phase.state in ("running", "failed"):
                return phase
        done = [phase for phase in self.phases if phase.state == "done"]
        return done[-1] if done else None
