"""A launch from what the box keeps of it: the helper's log, and what the server said."""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime, timedelta

import pytest

from gptoss_tui.domain.launch_record import reread
from gptoss_tui.domain.parse import kept_log
from gptoss_tui.domain.parse.kept_log import read_kept
from gptoss_tui.domain.progress import LaunchProgress

START = datetime(2026, 1, 1, tzinfo=UTC)
T0 = int(START.timestamp())
HELPER = (
    f'@{T0} begin {{"name": "gpt-oss-20b", "engine": "vllm"}}',
    f"@{T0} pull-skipped",
    f"@{T0 + 5} create",
    f"@{T0 + 6} created cafe01",
    f"@{T0 + 6} start",
    f"@{T0 + 7} started",
    f"@{T0 + 7} wait",
)
CORE = "(EngineCore pid=9) INFO 01-01 00:00:20 [x.py:1]"
ENGINE = (
    (20.5, f"{CORE} Loading safetensors checkpoint shards:  50% Completed | 1/2"),
    (40.2, f"{CORE} Available KV cache memory: 60.25 GiB"),
    (59.9, "(APIServer pid=1) INFO:     Application startup complete."),
)
OOM = "(EngineCore pid=9) ERROR 01-01 00:00:41 [x.py:1] torch.OutOfMemoryError: CUDA out of memory."


def frame(second: float, text: str, stream: int = 1, end: str = "\n") -> bytes:
    """One message of Docker's log endpoint, with its stamp."""
    at = START + timedelta(seconds=second)
    body = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}000Z {text}{end}".encode()
    return bytes((stream, 0, 0, 0)) + len(body).to_bytes(4, "big") + body


def kept(*frames: bytes) -> str:
    return base64.b64encode(gzip.compress(b"".join(frames), mtime=0)).decode()


def states(progress: LaunchProgress) -> dict[str, str]:
    return {phase.name: phase.state for phase in progress.phases}


def test_a_launch_that_nobody_watched_has_its_phases_and_figures() -> None:
    said = kept(*(frame(*line) for line in ENGINE))
    progress = reread("id", (*HELPER, f"@{T0 + 60} ready", f"@{T0 + 60} end"), said).progress
    assert (progress.state, progress.error) == ("ready", "")
    load = next(phase for phase in progress.phases if phase.name == "load")
    assert load.started_at == START + timedelta(seconds=20.5)
    assert states(progress)["load"] == "done"
    assert progress.measured.kv_cache_gib == 60.25
    without = reread("id", (*HELPER, f"@{T0 + 60} ready")).progress
    assert states(without)["load"] == "skipped"


def test_a_start_that_was_over_in_the_second_of_the_first_question_has_its_phases() -> None:
    """The helper stamps whole seconds: what asked in that second asked after the server was up."""
    quick = ((8.1, ENGINE[0][1]), (8.4, ENGINE[1][1]), (8.8, ENGINE[2][1]))
    lines = (*HELPER, f"@{T0 + 8} ask", f"@{T0 + 9} ready")
    progress = reread("id", lines, kept(*(frame(*line) for line in quick))).progress
    assert [states(progress)[name] for name in ("load", "compile", "warmup")] == ["done"] * 3


def test_the_cause_of_a_failure_is_found_in_what_the_server_said() -> None:
    said = kept(*(frame(*line) for line in ENGINE[:2]), frame(41, OOM, stream=2))
    lines = (*HELPER, f"@{T0 + 41} failed wait exited 1", f"@{T0 + 42} end")
    progress = reread("id", lines, said).progress
    assert progress.state == "failed"
    assert progress.diagnosis is not None
    assert progress.diagnosis.verdict == "known"
    assert progress.diagnosis.evidence
    assert (progress.error, progress.next_step) == (
        progress.diagnosis.explanation, progress.diagnosis.fix,
    )  # fmt: skip
    assert states(progress)["load"] in ("done", "failed")  # and not only that it waited
    unknown = reread("id", lines).progress.diagnosis
    assert unknown is not None
    assert unknown.cause is None


def test_what_was_said_after_the_end_changes_nothing() -> None:
    late = kept(*(frame(*line) for line in ENGINE), frame(62, OOM))
    progress = reread("id", (*HELPER, f"@{T0 + 60} ready"), late).progress
    assert (progress.state, progress.error, progress.diagnosis) == ("ready", "", None)


def test_an_engine_of_a_later_version_is_only_not_read() -> None:
    begin = f'@{T0} begin {{"name": "n", "engine": "later"}}'
    log = reread("id", (begin, *HELPER[1:], f"@{T0 + 60} ready"), kept(frame(*ENGINE[0])))
    assert log.progress.state == "ready"


def test_lines_in_parts_and_of_two_streams_are_put_together() -> None:
    begun, last = frame(1, "a long ", end=""), frame(2, "last", end="")
    text = kept(begun, frame(1, "other", stream=2), frame(1, "line"), last)
    assert [line for _, line in read_kept(text)] == ["other", "a long line", "last"]
    assert read_kept(text)[1][0] == START + timedelta(seconds=1)


@pytest.mark.parametrize(
    "text", ["", "?", "AAAA", "H4sIAAAA", kept(b"\x01\0\0\0\0\0\xff\xffcut off")]
)
def test_what_is_damaged_is_nothing(text: str) -> None:
    assert read_kept(text) == ()


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_log, "LIMIT", 10_000)
    many = kept(*(frame(n % 60, "x" * 100) for n in range(10_000)))
    assert 0 < len(read_kept(many)) < 100
