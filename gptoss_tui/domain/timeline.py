"""The launch reducer: the helper's log and the engine's log lines become one `LaunchProgress`.

Phases run in their order and never go back: a log may speak of an earlier one again (a draft
model loads after the main one is compiled), and that changes nothing.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from gptoss_tui.domain import server_failures
from gptoss_tui.domain.advance import PullAdvance
from gptoss_tui.domain.docker_failures import failure_of
from gptoss_tui.domain.doctor.diagnosis import Diagnosis
from gptoss_tui.domain.doctor.told import retold
from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.parse.numbers import moment, whole
from gptoss_tui.domain.progress import (
    MOST,
    PHASES,
    LaunchProgress,
    LaunchState,
    Phase,
    PhaseName,
    PhaseState,
)
from gptoss_tui.domain.startup import Prediction, StartupFigures
from gptoss_tui.domain.weights_advance import WeightsAdvance

_EVENT = re.compile(r"^@(\d+) (\S+) ?(.*)$")
_HELPER_PHASES: dict[str, PhaseName] = {
    "reserve": "reserve",
    "pull": "pull",
    "replace": "create",
    "create": "create",
    "start": "start",
    "wait": "weights",
    "fetch": "weights",
    "load": "load",
    "ask": "warmup",
}
_DETAILS = {
    "ask": "asking the model for one token",
    "replace": "after the old server has ended its requests",
}
_ENDS: dict[str, PhaseName] = {"pulled": "pull", "created": "create", "started": "start"}


class LaunchLog:
    """Feed it the helper's lines and the engine's marks in any interleaving."""

    def __init__(self, launch_id: str) -> None:
        self._launch_id = launch_id
        self._name = ""
        self._phases = {name: Phase(name=name) for name in PHASES}
        self._pull = PullAdvance()
        self._container: str | None = None
        self._state: LaunchState = "running"
        self._error = ("", "")
        self._left: list[str] = []
        self._at: datetime | None = None
        self.engine_name = "vllm"
        self.exit_code: int | None = None
        self._planned: Prediction | None = None
        self._weights = WeightsAdvance(None)
        self._measured = StartupFigures()
        self._spec: LaunchSpec | None = None
        self._replaces: str | None = None
        self._said = ""
        self._diagnosis: Diagnosis | None = None

    @property
    def progress(self) -> LaunchProgress:
        """The launch as it stands."""
        return LaunchProgress(
            launch_id=self._launch_id,
            name=self._name,
            state=self._state,
            phases=tuple(self._phases.values()),
            container_id=self._container,
            error=self._error[0],
            next_step=self._error[1],
            leftovers=tuple(self._left),
            planned=self._planned,
            measured=self._measured,
            diagnosis=self._found if self._state == "failed" else None,
            spec=self._spec,
            replaces=self._replaces,
        )

    @property
    def _found(self) -> Diagnosis:
        return self._diagnosis or retold(*self._error, self._said, engine=self.engine_name)

    def feed(self, line: str) -> None:
        """Read one line of the helper's log. Odd lines change nothing."""
        match = _EVENT.match(line)
        if match:
            self._at = moment(whole(match[1])) or self._at
            self._event(match[2], match[3])
            self._tick()
        elif line.startswith("{"):
            self._docker(line)

    def feed_engine(self, mark: PhaseMark, at: datetime | None) -> None:
        """What the engine's own log told, at the box's time `at`."""
        if mark.figures is not None:
            self._measured = self._measured.and_then(mark.figures)
        if mark.fatal:
            if self._state == "failed" or not self._error[0]:
                self._error, self._said = (mark.fatal, mark.next_step), mark.detail
            return
        if mark.phase and self._state == "running":
            self._begin(mark.phase, at or self._at)
            self._update(mark.phase, fraction=mark.fraction, detail=mark.detail)

    def diagnosed(self, found: Diagnosis) -> None:
        """What the doctor made of the whole log of a server that ended while loading."""
        if self._state == "failed" and found.verdict != "nothing_wrong":
            self._diagnosis = found
            if found.cause:
                self._error = (found.explanation, found.fix)

    def helper_gone(self) -> None:
        """The helper is no longer there: a launch that still ran was cut off."""
        if self._state == "running" and not self._phases["ready"].ended_at:
            self._fail(
                "The launch helper on the box ended without a word (a reboot, perhaps).",
                "Launch again; what was downloaded of the weights is kept.",
            )

    # --- the helper's events --------------------------------------------------------------------

    def _event(self, event: str, rest: str) -> None:
        if event == "begin":
            self._begun(rest)
        elif event in _HELPER_PHASES:
            self._begin(_HELPER_PHASES[event], self._at)
            self._update(_HELPER_PHASES[event], fraction=None, detail=_DETAILS.get(event, ""))
        elif event in _ENDS:
            if event == "created":
                self._container = rest.strip() or None
            self._end(_ENDS[event])
        elif event == "pull-skipped":
            self._begin("pull", self._at)
            self._set("pull", state="skipped", ended_at=self._at, detail="the image is there")
        elif event in ("layers", "retry"):
            self._pulling(event, rest)
        elif event == "weights":
            self._weights.weigh(rest)
        elif event == "left":
            self._left.append(rest)
        elif event == "ready":
            self._ready()
        elif event == "cancelled":
            self._cancelled()
        elif event == "failed":
            step, _, said = rest.partition(" ")
            self._failed(step, said)

    def _begun(self, rest: str) -> None:
        try:
            about = json.loads(rest)
        except ValueError:
            return
        if not isinstance(about, dict):
            return
        self._name = str(about.get("name") or "")
        self._replaces = str(about.get("replaces") or "") or None
        size = about.get("weights_bytes")
        self._weights = WeightsAdvance(size if isinstance(size, int) and size > 0 else None)
        self.engine_name = str(about.get("engine") or "vllm")
        with suppress(msgspec.ValidationError):
            self._spec = msgspec.convert(about.get("spec"), LaunchSpec | None)
        with suppress(msgspec.ValidationError):
            self._planned = msgspec.convert(about.get("planned"), Prediction | None)
        if self._planned is None:
            return
        self._pull = PullAdvance(self._planned.unpack_bytes_per_s)
        for name, seconds in self._planned.phases_s:
            if name in PHASES:
                self._set(name, last_s=seconds)

    def _docker(self, line: str) -> None:
        if self._phases["pull"].state == "running":
            self._pull.feed(line)
            self._set("pull", **self._pull.fields)
        elif self._phases["weights"].state == "running":
            self._weights.feed(line)
            self._set("weights", **self._weights.fields)

    def _pulling(self, event: str, rest: str) -> None:
        if self._phases["pull"].state != "running":
            return
        if event == "layers":
            self._pull.sizes(rest)
        else:
            self._pull.again(rest)

    def _tick(self) -> None:
        """The box's clock goes on: bytes over time become rates, times left and stalls."""
        advance: dict[PhaseName, PullAdvance | WeightsAdvance] = {
            "pull": self._pull,
            "weights": self._weights,
        }
        for name, one in advance.items():
            if self._phases[name].state == "running" and self._at is not None:
                one.tick(self._at)
                self._set(name, **one.fields)

    def _ready(self) -> None:
        self._begin("ready", self._at)
        self._end("ready")
        self._state = "ready"
        self._error = ("", "")

    def _cancelled(self) -> None:
        self._state = "cancelled"
        self._error = ("The launch was cancelled.", "")
        for name, phase in self._phases.items():
            if phase.state == "running":
                self._over(name, "failed", self._not_before(self._at))

    def _failed(self, step: str, said: str) -> None:
        if step == "wait":
            self.exit_code = whole(said.removeprefix("exited "))
            told = self._error if self._error[0] else _died(said, self.engine_name)
            self._fail(*told)
            return
        if step in server_failures.STEPS:
            self._said = said
            told = self._error if self._error[0] else server_failures.server_failure(step, said)
            self._fail(*told)
            return
        if step == "reserve":
            self._fail(f"The launch was refused: {said}.", "Choose another GPU, port or name.")
            return
        self._said = said
        if step == "pull":
            self._said = self._pull.error or said
            self._pull.given_up()
            self._set("pull", **self._pull.fields)
        self._fail(*failure_of(step, self._said))

    def _fail(self, sentence: str, next_step: str) -> None:
        self._state = "failed"
        self._error = (sentence, next_step)
        for name, phase in self._phases.items():
            if phase.state == "running":
                self._over(name, "failed", self._not_before(self._at))

    # --- phases ---------------------------------------------------------------------------------

    def _begin(self, name: PhaseName, at: datetime | None) -> None:
        """Begin a phase: those before it are over. A phase behind the current one changes nothing."""
        position = PHASES.index(name)
        if any(self._phases[later].state != "pending" for later in PHASES[position + 1 :]):
            return
        at = self._not_before(at)
        for earlier in PHASES[:position]:
            state = self._phases[earlier].state
            if state == "running":
                self._over(earlier, "done", at)
            elif state == "pending":
                self._set(earlier, state="skipped")
        if self._phases[name].state == "pending":
            self._set(name, state="running", started_at=at)

    def _end(self, name: PhaseName) -> None:
        if self._phases[name].state == "running":
            self._over(name, "done", self._not_before(self._at))

    def _not_before(self, at: datetime | None) -> datetime | None:
        """`at`, but never before the last phase began: the helper stamps whole seconds only."""
        begun = [phase.started_at for phase in self._phases.values() if phase.started_at]
        return at and max([at, *begun])

    def _update(self, name: PhaseName, *, fraction: float | None, detail: str) -> None:
        phase = self._phases[name]
        if phase.state != "running":
            return
        if fraction is not None and phase.total_bytes is None:
            # A second bar of the same phase begins at 0: the first one's place is kept.
            self._set(name, fraction=min(MOST, max(fraction, phase.fraction or 0.0)))
        if detail:
            self._set(name, detail=detail)

    def _over(self, name: PhaseName, state: PhaseState, at: datetime | None) -> None:
        self._set(
            name, state=state, ended_at=at, rate_bytes_per_s=None, left_s=None, stalled_s=None
        )
        if state == "done" and self._phases[name].fraction is not None:
            self._set(name, fraction=1.0)

    def _set(self, name: PhaseName, **changes: Any) -> None:
        self._phases[name] = msgspec.structs.replace(self._phases[name], **changes)


def _died(said: str, engine: str) -> tuple[str, str]:
    match = re.search(r"exited (\d+)", said)
    if match and match[1] in ("0", "143") and engine != "sglang":  # which ends so by itself as well
        return (
            f"The server was stopped while it loaded (exit code {match[1]}): it did not fail.",
            "Launch it again; if nobody stopped it, its log says more.",
        )
    if match and match[1] == "137" and engine != "sglang":  # SGLang kills itself so as well
        return (
            "The server was killed while loading (exit code 137): the box's memory ran out, "
            "or somebody stopped it.",
            "See its log and the kernel's (dmesg) for the OOM killer.",
        )
    if match:
        return (
            f"The server ended while loading, with exit code {match[1]}.",
            "Its log says why: see the log pane, or `gptoss-tui logs BOX NAME`.",
        )
    return f"The server did not come up: {said}.", "See its log."
