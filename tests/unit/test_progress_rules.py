"""Whatever a launch goes through, nothing that runs goes back, and nothing is at 100 %."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.launch_words import phase_words
from gptoss_tui.domain.progress import LaunchProgress, Phase, PhaseName, durations
from gptoss_tui.domain.timeline import LaunchLog

START = datetime(2026, 1, 1, tzinfo=UTC)
T0 = int(START.timestamp())
MIB = 1024**2
SIZES = (40 * MIB, 3 * MIB, 900 * MIB)
TOTAL = 100 * MIB


class Watched:
    """A launch, each step of which is held against the one before."""

    def __init__(self, *lines: str) -> None:
        self.log, self.at = LaunchLog("id"), T0
        self.before: dict[str, Phase] = {}
        for line in lines:
            self.say(line)

    def say(self, event: str) -> None:
        self.log.feed(f"@{self.at} {event}")
        self.hold()

    def line(self, document: object) -> None:
        self.log.feed(json.dumps(document))
        self.hold()

    def mark(self, mark: PhaseMark) -> None:
        self.log.feed_engine(mark, START + timedelta(seconds=self.at - T0))
        self.hold()

    def wait(self, seconds: int) -> None:
        self.at += seconds
        self.say("tick")

    def hold(self) -> None:
        for phase in self.log.progress.phases:
            before = self.before.get(phase.name, phase)
            assert (phase.done_bytes or 0) >= (before.done_bytes or 0)
            assert (phase.fraction or 0.0) >= (before.fraction or 0.0)
            assert phase.retries >= before.retries
            if phase.state == "running":
                assert phase.fraction is None or phase.fraction < 1
                assert "100%" not in phase_words(phase)
                assert phase.left_s is None or phase.left_s >= 0
                assert phase.left_s is None or phase.stalled_s is None or phase.name == "pull"
                assert phase.rate_bytes_per_s is None or phase.stalled_s is None
            if phase.total_bytes is not None:
                assert (phase.done_bytes or 0) <= phase.total_bytes
            self.before[phase.name] = phase

    def phase(self, name: str) -> Phase:
        return self.before[name]


# --- the pull -----------------------------------------------------------------------------------

_LAYER = st.integers(0, len(SIZES) - 1)
_SHARE = st.floats(0, 1)
_PULL = st.one_of(
    st.tuples(st.just("Downloading"), _LAYER, _SHARE),
    st.tuples(st.just("Extracting"), _LAYER, _SHARE),
    st.tuples(
        st.sampled_from(
            ["Pulling fs layer", "Waiting", "Verifying Checksum", "Download complete",
             "Pull complete", "Already exists", "Retrying in 5 seconds"]
        ),
        _LAYER,
        st.none(),
    ),
    st.tuples(st.sampled_from(["again", "layers", "all complete"]), st.none(), st.none()),
    st.tuples(st.just("wait"), st.integers(0, 40), st.none()),
)  # fmt: skip


@given(st.lists(_PULL, max_size=60))
def test_a_pull_with_retries_and_layers_that_come_anew(
    steps: list[tuple[str, int | None, float | None]],
) -> None:
    launch = Watched("begin {}", "pull")
    for what, number, share in steps:
        if what == "wait":
            launch.wait(number or 0)
        elif what == "again":
            launch.say("retry 2 unexpected EOF")
        elif what == "layers":
            launch.say("layers " + " ".join(f"l{n}:{size}" for n, size in enumerate(SIZES)))
        elif what == "all complete":  # all of them at once
            for layer in range(len(SIZES)):
                launch.line({"id": f"l{layer}", "status": "Pull complete"})
        else:
            assert number is not None
            size = SIZES[number]
            detail = {} if share is None else {"current": int(size * share), "total": size}
            launch.line({"id": f"l{number}", "status": what, "progressDetail": detail})
    launch.say("pulled")
    assert launch.phase("pull").fraction in (None, 1.0)


# --- the weights --------------------------------------------------------------------------------

_KIB = st.integers(0, 2 * TOTAL // 1024)
_WEIGHTS = st.one_of(
    # What is on the disk may shrink: a client that gives up throws away what it has, and a cache
    # may be cleaned meanwhile. What the container received may be unknown, or counted anew.
    st.tuples(st.just("weigh"), _KIB, st.none() | _KIB),
    st.tuples(st.just("wait"), st.integers(0, 200), st.none()),
)


@given(st.lists(_WEIGHTS, max_size=60))
def test_weights_on_a_disk_that_also_shrinks(steps: list[tuple[str, int, int | None]]) -> None:
    launch = Watched("begin " + json.dumps({"weights_bytes": TOTAL}), "wait")
    for what, number, received in steps:
        if what == "wait":
            launch.wait(number)
        else:
            launch.say(f"weights {number}" + ("" if received is None else f" {received}"))
    launch.mark(PhaseMark(phase="load", fraction=0.0, detail="shards"))
    assert launch.phase("weights").state == "done"


_BLOBS = st.tuples(
    st.sampled_from("abc"), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 30)
)


@given(st.lists(_BLOBS, max_size=60))
def test_blobs_that_are_found_one_by_one(steps: list[tuple[str, int, int, int]]) -> None:
    """Ollama: the total grows with each blob that begins, and two may end at once."""
    launch = Watched("begin {}", "wait", "fetch")
    for digest, completed, total, pause in steps:
        launch.line({"digest": digest, "completed": completed, "total": total})
        launch.wait(pause)


def test_a_download_that_begins_anew_waits_where_it_was() -> None:
    launch = Watched("begin " + json.dumps({"weights_bytes": TOTAL}), "wait")
    for kib in range(0, 60 * 1024 + 1, 6 * 1024):
        launch.say(f"weights {kib}")
        launch.wait(1)
    half = launch.phase("weights")
    for kib in range(0, 90 * 1024 + 1, 6 * 1024):
        launch.say(f"weights {kib}")
        launch.wait(1)
        now = launch.phase("weights")
        # What counts for the time left is what is there, not the most that ever was.
        if now.left_s is not None:
            assert now.left_s == pytest.approx((TOTAL / 1024 - kib) / (6 * 1024), rel=0.25)
    assert (half.done_bytes or 0) < (launch.phase("weights").done_bytes or 0)


def test_what_is_in_memory_counts_for_the_time_left() -> None:
    launch = Watched("begin " + json.dumps({"weights_bytes": TOTAL}), "wait", "weights 0 7168")
    for second in range(1, 13):
        launch.wait(1)
        launch.say(f"weights 0 {7168 + 6 * 1024 * second}")
    weights = launch.phase("weights")
    assert (weights.done_bytes, weights.fraction) == (0, 0)
    assert weights.rate_bytes_per_s == pytest.approx(6 * MIB, rel=0.1)
    assert weights.left_s == pytest.approx((100 - 72) / 6, rel=0.1)
    assert weights.stalled_s is None
    assert weights.detail == "72 MiB more in memory"
    for second in range(20):  # all has come, and the disk is slow
        launch.wait(1)
        launch.say(f"weights {4096 * second} {7168 + 101 * 1024}")
    weights = launch.phase("weights")
    assert (weights.left_s, weights.stalled_s) == (None, None)


def test_nothing_received_and_nothing_written_is_a_stall() -> None:
    launch = Watched("begin " + json.dumps({"weights_bytes": TOTAL}), "wait", "weights 0 0")
    for second in range(1, 6):
        launch.wait(1)
        launch.say(f"weights 0 {6 * 1024 * second}")
    for _ in range(20):
        launch.wait(1)
    weights = launch.phase("weights")
    assert weights.stalled_s == 20
    assert (weights.left_s, weights.rate_bytes_per_s) == (None, None)


# --- the load -----------------------------------------------------------------------------------

_MARKS = st.builds(
    PhaseMark,
    phase=st.sampled_from(("load", "compile", "capture", "warmup")),
    fraction=st.none() | st.floats(0, 1),
    detail=st.sampled_from(["", "shards", "CUDA graphs"]),
)


@given(st.lists(_MARKS, max_size=40))
def test_bars_that_begin_anew_and_end(marks: list[PhaseMark]) -> None:
    launch = Watched("begin {}", "wait")
    for mark in marks:
        launch.wait(1)
        launch.mark(mark)
    launch.say("ask")
    launch.say("ready")
    assert launch.log.progress.state == "ready"


def test_what_a_launch_took_is_from_its_first_phase_to_its_last_end() -> None:
    def phase(name: PhaseName, begin: int, end: int | None) -> Phase:
        ended = None if end is None else START + timedelta(seconds=end)
        begun = START + timedelta(seconds=begin)
        return Phase(
            name=name, state="done" if ended else "running", started_at=begun, ended_at=ended
        )

    phases = (phase("pull", 0, 40), phase("load", 41, 53), phase("warmup", 53, None))
    launch = LaunchProgress(launch_id="id", name="x", state="running", phases=phases)
    assert [one.took_s for one in phases] == [40, 12, None]
    assert launch.took_s == 53
    assert durations(launch) == {"load": 12.0}
    assert LaunchProgress(launch_id="id", name="x", state="running", phases=()).took_s is None
