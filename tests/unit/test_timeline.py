"""The launch reducer: the helper's log and the engine's marks, in any interleaving."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.progress import PHASES, LaunchProgress, Phase
from gptoss_tui.domain.timeline import LaunchLog

START = datetime(2026, 1, 1, tzinfo=UTC)
T0 = int(START.timestamp())
PULL = json.dumps(
    {"id": "a", "status": "Downloading", "progressDetail": {"current": 40, "total": 100}}
)
WHOLE = (
    f'@{T0} begin {{"name": "gpt-oss-20b", "engine": "vllm", "launch_id": "id"}}',
    f"@{T0} reserve",
    f"@{T0 + 1} pull",
    PULL,
    f"@{T0 + 5} pulled",
    f"@{T0 + 5} create",
    f"@{T0 + 6} created cafe01",
    f"@{T0 + 6} start",
    f"@{T0 + 7} started",
    f"@{T0 + 7} wait",
)
READY = f"@{T0 + 60} ready"


def _log(*lines: str) -> LaunchLog:
    log = LaunchLog("id")
    for line in lines:
        log.feed(line)
    return log


def _phase(progress: LaunchProgress, name: str) -> Phase:
    return next(phase for phase in progress.phases if phase.name == name)


def _states(progress: LaunchProgress) -> dict[str, str]:
    return {phase.name: phase.state for phase in progress.phases}


def test_a_launch_begins_with_everything_pending() -> None:
    progress = LaunchLog("id").progress
    assert progress.state == "running"
    assert [phase.name for phase in progress.phases] == list(PHASES)
    assert set(_states(progress).values()) == {"pending"}
    assert progress.current is None


def test_a_whole_launch() -> None:
    log = _log(*WHOLE)
    assert (log.progress.name, log.progress.container_id) == ("gpt-oss-20b", "cafe01")
    pull = _phase(log.progress, "pull")
    assert (pull.state, pull.done_bytes, pull.total_bytes) == ("done", 40, 100)
    assert pull.started_at == START + timedelta(seconds=1)
    assert pull.ended_at == START + timedelta(seconds=5)
    current = log.progress.current
    assert current is not None
    assert (current.name, current.state) == ("weights", "running")
    log.feed_engine(PhaseMark(phase="load", fraction=0.5, detail="shards"), None)
    log.feed(READY)
    assert log.progress.state == "ready"
    states = _states(log.progress)
    assert (states["load"], states["compile"], states["ready"]) == ("done", "skipped", "done")
    assert _phase(log.progress, "ready").ended_at == START + timedelta(seconds=60)


def test_the_engines_own_time_stands_before_the_helpers() -> None:
    log = _log(*WHOLE)
    log.feed_engine(PhaseMark(phase="load"), START + timedelta(seconds=30))
    log.feed_engine(PhaseMark(phase="compile"), START + timedelta(seconds=40))
    assert _phase(log.progress, "load").started_at == START + timedelta(seconds=30)
    assert _phase(log.progress, "load").ended_at == START + timedelta(seconds=40)
    timeless = _log(*WHOLE)
    timeless.feed_engine(PhaseMark(phase="load"), None)
    assert _phase(timeless.progress, "load").started_at == START + timedelta(seconds=7)


def test_the_weights_show_their_bytes_until_they_are_loaded() -> None:
    begin = f'@{T0} begin {{"name": "gpt-oss-20b", "engine": "vllm", "weights_bytes": 1048576}}'
    log = _log(begin, *WHOLE[1:])
    seen = []
    for kib in (256, 128, 512, 4096):  # a file that is moved may be missed by one look
        log.feed(f"@{T0 + 10} weights {kib}")
        seen.append(_phase(log.progress, "weights").done_bytes)
    assert seen == [262144, 262144, 524288, 1048576]
    log.feed_engine(PhaseMark(phase="load"), START + timedelta(seconds=20))
    log.feed(f"@{T0 + 21} weights 1")
    assert _phase(log.progress, "weights").done_bytes == 1048576
    cached = _log(begin, *WHOLE[1:], f"@{T0 + 8} weights 4096")
    assert _phase(cached.progress, "weights").done_bytes is None  # it was there before
    for odd in ("weights", "weights x", "weights -1"):
        cached.feed(f"@{T0 + 9} {odd}")


def test_an_image_that_is_there_skips_the_pull() -> None:
    log = _log(*WHOLE[:2], f"@{T0} pull-skipped", *WHOLE[5:])
    assert _states(log.progress)["pull"] == "skipped"
    assert _states(log.progress)["start"] == "done"


def test_a_phase_behind_the_current_one_changes_nothing() -> None:
    log = _log(*WHOLE)
    log.feed_engine(PhaseMark(phase="capture", fraction=0.9, detail="CUDA graphs"), START)
    before = log.progress
    log.feed_engine(PhaseMark(phase="load", fraction=0.1, detail="shards"), START)
    assert log.progress == before


def test_a_fraction_never_goes_back_for_the_same_detail() -> None:
    log = _log(*WHOLE)
    for fraction in (0.5, 0.3):
        log.feed_engine(PhaseMark(phase="load", fraction=fraction, detail="shards"), START)
    assert _phase(log.progress, "load").fraction == 0.5


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ((*WHOLE[:4], f"@{T0} failed pull 500 no space left on device"), "disk is full"),
        ((*WHOLE[:4], '{"error": "toomanyrequests: x"}', f"@{T0} failed pull 200"), "rate limit"),
        ((*WHOLE[:2], f"@{T0} failed reserve GPU-1 is taken by id2"), "taken by id2"),
        ((*WHOLE[:6], f"@{T0} failed create 409 Conflict. The container name is in use"), "name"),
        ((*WHOLE[:8], f"@{T0} failed start driver failed: port is already allocated"), "port"),
        ((*WHOLE, f"@{T0} failed wait exited 1"), "exit code 1"),
        ((*WHOLE, f"@{T0} failed wait exited 137"), "memory ran out"),
        ((*WHOLE, f"@{T0} failed wait no answer for an hour"), "no answer"),
    ],
)  # fmt: skip
def test_a_failure_has_its_phase_and_its_sentence(lines: tuple[str, ...], word: str) -> None:
    progress = _log(*lines).progress
    assert progress.state == "failed"
    assert word in progress.error
    assert progress.next_step
    assert "failed" in _states(progress).values()
    assert "running" not in _states(progress).values()


def test_a_pull_that_has_failed_is_not_said_to_be_tried_again() -> None:
    tried = (*WHOLE[:4], f"@{T0 + 1} retry 4 no such host")
    assert "no such host: again in 4 s" in _phase(_log(*tried).progress, "pull").detail
    failed = _log(*tried, f"@{T0 + 5} failed pull 500 no such host").progress
    assert _phase(failed, "pull").state == "failed"
    assert "again in" not in _phase(failed, "pull").detail


def test_the_drain_of_the_old_server_is_a_part_of_the_new_container() -> None:
    progress = _log(*WHOLE[:5], f"@{T0 + 5} replace cafe00").progress
    phase = _phase(progress, "create")
    assert (phase.state, phase.detail) == ("running", "after the old server has ended its requests")
    done = _log(*WHOLE[:5], f"@{T0 + 5} replace cafe00", f"@{T0 + 25} create", *WHOLE[6:]).progress
    assert _phase(done, "create").state == "done"


def test_sglang_may_have_killed_itself() -> None:
    begun = WHOLE[0].replace('"vllm"', '"sglang"')
    progress = _log(begun, *WHOLE[1:], f"@{T0} failed wait exited 137").progress
    assert progress.error == "The server ended while loading, with exit code 137."
    assert progress.diagnosis is not None
    assert progress.diagnosis.verdict == "unknown"
    assert "SGLang kills itself" in progress.diagnosis.explanation


FATAL = PhaseMark(fatal="The GPU's memory ran out.", next_step="Use a larger card.")


@pytest.mark.parametrize("first", ["helper", "engine"])
def test_the_engines_own_cause_wins_over_the_exit_code(first: str) -> None:
    log = _log(*WHOLE)
    if first == "engine":
        log.feed_engine(FATAL, START)
    log.feed(f"@{T0} failed wait exited 1")
    if first == "helper":
        log.feed_engine(FATAL, START)
    assert (log.progress.state, log.progress.error) == ("failed", FATAL.fatal)
    assert log.progress.next_step == FATAL.next_step


def test_the_first_cause_wins_over_those_that_follow_from_it() -> None:
    log = _log(*WHOLE)
    log.feed_engine(FATAL, START)
    log.feed_engine(PhaseMark(fatal="The disk is full.", next_step="x"), START)
    log.feed(f"@{T0} failed wait exited 1")
    assert log.progress.error == FATAL.fatal


def test_a_fright_that_passes_is_forgotten_when_it_is_ready() -> None:
    log = _log(*WHOLE)
    log.feed_engine(FATAL, START)
    log.feed(READY)
    assert (log.progress.state, log.progress.error) == ("ready", "")


def test_a_cancelled_launch_says_what_is_left() -> None:
    progress = _log(*WHOLE[:4], f"@{T0} left image layers", f"@{T0} cancelled").progress
    assert (progress.state, progress.leftovers) == ("cancelled", ("image layers",))
    assert _states(progress)["pull"] == "failed"


def test_a_helper_that_is_gone_means_failed_but_not_after_the_end() -> None:
    log = _log(*WHOLE)
    log.helper_gone()
    assert log.progress.state == "failed"
    done = _log(*WHOLE, READY)
    done.helper_gone()
    assert done.progress.state == "ready"


def test_a_beginning_that_is_no_object_is_passed_over() -> None:
    assert _log(f"@{T0} begin [1]", f"@{T0} begin null", f"@{T0} begin {{").progress.name == ""


# --- anything -----------------------------------------------------------------------------------

_LINES = st.sampled_from([*WHOLE, READY, f"@{T0} failed wait exited 1", f"@{T0} cancelled",
    f"@{T0} pull-skipped", "@", "@x ready", "@99999999999999999999999 ready", '{"id": 1}', "[1]",
    "{", "{}", f"@{T0} begin [1]", f"@{T0} begin {{", f"@{T0} left"])  # fmt: skip
_MARKS = st.builds(
    PhaseMark,
    phase=st.sampled_from(PHASES[4:9]),
    fraction=st.none() | st.floats(0, 1),
    detail=st.sampled_from(["", "a", "b"]),
) | st.just(FATAL)


@given(st.lists(_LINES | _MARKS | st.text(max_size=20), max_size=30))
def test_any_order_keeps_the_rules(feed: list[str | PhaseMark]) -> None:
    log, bytes_seen = LaunchLog("id"), [0]
    for item in feed:
        if isinstance(item, str):
            log.feed(item)
        else:
            log.feed_engine(item, START)
        states = [phase.state for phase in log.progress.phases]
        assert states.count("running") <= 1
        if "running" in states:
            assert set(states[states.index("running") + 1 :]) <= {"pending"}
            assert "pending" not in states[: states.index("running")]
        bytes_seen.append(_phase(log.progress, "pull").done_bytes or 0)
    assert all(later >= earlier for earlier, later in pairwise(bytes_seen))
