"""From a server that listens to one that answers, as the launch's log tells it."""

from __future__ import annotations

import json

import pytest

from gptoss_tui.domain.parse.ollama_pull import ModelPull
from gptoss_tui.domain.progress import LaunchProgress, Phase, PhaseName
from gptoss_tui.domain.timeline import LaunchLog


def coming(completed: int) -> str:
    """A line of a pull about a blob of 1,000 bytes."""
    return json.dumps(
        {"status": "pulling aa", "digest": "sha256:aa", "total": 1000, "completed": completed}
    )


def told(*lines: str) -> LaunchProgress:
    log = LaunchLog("id")
    for at, line in enumerate(("begin {}", "started", "wait", *lines)):
        log.feed(line if line.startswith("{") else f"@{1767225600 + at} {line}")
    return log.progress


def phase(progress: LaunchProgress, name: PhaseName) -> Phase:
    return next(one for one in progress.phases if one.name == name)


def test_the_blobs_of_a_model_add_up() -> None:
    pull = ModelPull()
    assert (pull.done_bytes, pull.total_bytes) == (0, None)
    pull.feed('{"status":"pulling manifest"}')
    assert pull.detail == "pulling manifest"
    pull.feed(coming(0))
    pull.feed(coming(400))
    pull.feed('{"status":"pulling bb","digest":"sha256:bb","total":50,"completed":10}')
    pull.feed(coming(300))
    assert (pull.done_bytes, pull.total_bytes) == (410, 1050)


def test_a_blob_that_was_there_is_no_progress() -> None:
    pull = ModelPull()
    for _ in range(2):
        pull.feed(coming(1000))
    assert (pull.done_bytes, pull.total_bytes) == (0, None)


def test_what_came_between_two_lines_is_there_at_the_end() -> None:
    """0.32 tells of a small blob once, before its bytes."""
    pull = ModelPull()
    for line in (coming(400), coming(1000), '{"digest":"sha256:bb","total":162}',
                 '{"status":"success"}'):  # fmt: skip
        pull.feed(line)
    assert (pull.done_bytes, pull.total_bytes, pull.detail) == (1162, 1162, "success")


@pytest.mark.parametrize(
    "line", ["", "[]", "7", "{", '{"digest":7}', '{"digest":"a","total":"x"}', "[" * 9000]
)
def test_odd_lines_of_a_pull_change_nothing(line: str) -> None:
    pull = ModelPull()
    pull.feed(line)
    assert (pull.done_bytes, pull.total_bytes) == (0, None)


def test_a_fetch_shows_bytes_in_the_weights_phase() -> None:
    progress = told("fetch", coming(400))
    weights = phase(progress, "weights")
    assert (weights.state, weights.done_bytes, weights.total_bytes) == ("running", 400, 1000)


def test_a_server_that_is_asked_is_not_ready() -> None:
    progress = told("fetch", "load", "ask")
    assert progress.state == "running"
    assert progress.current == phase(progress, "warmup")
    assert "one token" in phase(progress, "warmup").detail
    assert told("fetch", "load", "ask", "ready").state == "ready"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("failed ask 200 <html>", "nonsense"),
        ("failed ask 500 {}", "does not answer"),
        ("failed ask 401 {}", "its own API key"),
        ("failed fetch pull model manifest: file does not exist", "no model of that name: pull"),
        ("failed fetch it is Monday", "could not fetch the model"),
        ("failed load 500 out of memory", "could not load"),
    ],
)
def test_a_failure_is_told(end: str, said: str) -> None:
    progress = told("ask", end)
    assert progress.state == "failed"
    assert said in progress.error
    assert progress.next_step
