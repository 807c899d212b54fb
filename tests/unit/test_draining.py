"""What each engine and version does on SIGTERM, and the plan that follows from it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gptoss_tui.domain.draining import Draining, cut_told, cut_words, stop_plan
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.serving import EngineSnapshot
from tests.unit.make import spec

DRAINS = ("--max-model-len", "8192", "--shutdown-timeout", "60")


def server(engine: Any = "vllm", version: str = "0.32.0", **changes: Any) -> Instance:
    given = spec(engine=engine, engine_version=version, **changes)
    return Instance(name="gpt", engine=engine, managed=True, spec=given)


@pytest.mark.parametrize(
    ("instance", "drain_s", "watch_s", "engine_s"),
    [
        (server(arguments=DRAINS), None, 0, 60),
        (server(arguments=DRAINS), 200, 140, 60),  # what the engine does not do is watched
        (server(arguments=DRAINS), 20, 0, 20),
        (server(arguments=("--shutdown-timeout=30",)), 60, 30, 30),
        (server(arguments=("--shutdown-timeout", "5", "--shutdown-timeout", "9")), 9, 0, 9),
        (server(arguments=()), None, 60, 0),  # aborts by default
        (server(arguments=DRAINS, version="0.17.1"), 60, 60, 0),  # the flag came with 0.18.0
        (server(arguments=DRAINS, version="nightly"), 60, 0, 60),
        (server("sglang", "0.5.23", arguments=()), 60, 0, 60),
        (server("ollama", "0.13.3", arguments=()), 60, 60, 0),
    ],
)
def test_the_plan_of_each_engine(
    instance: Instance, drain_s: int | None, watch_s: int, engine_s: int
) -> None:
    plan = stop_plan(instance, drain_s)
    assert (plan.watch_s, plan.engine_s) == (watch_s, engine_s)
    assert plan.grace_s > plan.engine_s
    assert "load balancer" in plan.warning


def test_now_gives_no_time_and_a_given_grace_is_kept() -> None:
    plan = stop_plan(server(arguments=DRAINS), 0)
    assert (plan.watch_s, plan.engine_s, plan.grace_s, plan.warning) == (0, 0, 3, "")
    assert stop_plan(server(arguments=DRAINS), None, 7).grace_s == 7


def test_a_server_that_still_loads_is_not_waited_for() -> None:
    loading = msgspec.structs.replace(server("sglang", "0.5.23", arguments=()), state="loading")
    plan = stop_plan(loading)
    assert (plan.watch_s, plan.engine_s, plan.grace_s, plan.warning) == (0, 0, 15, "")


def test_what_becomes_of_new_requests_while_it_drains() -> None:
    assert "new requests get HTTP 500" in stop_plan(server(arguments=DRAINS)).warning
    sglang = stop_plan(server("sglang", "0.5.23", arguments=())).warning
    assert "new requests are still answered and lengthen it" in sglang


def test_the_sentences() -> None:
    busy = Draining(running=3.0, waiting=0.0, left_s=40.2)
    assert busy.text == "3 requests still run, 40 s left."
    assert Draining(running=1.0, waiting=2.0, left_s=1).text == (
        "1 request still runs and 2 wait, 1 s left."
    )


@pytest.mark.parametrize(
    ("figures", "asked", "words"),
    [
        (EngineSnapshot(running=3.0, waiting=2.0), True, "5 requests run and would be cut."),
        (EngineSnapshot(running=3.0, waiting=2.0), False, "5 requests run and are cut now."),
        (EngineSnapshot(running=1.0), True, "1 request runs and would be cut."),
        (EngineSnapshot(running=1.0), False, "1 request runs and is cut now."),
        (EngineSnapshot(running=0.0), True, "No request runs: none would be cut."),
        (EngineSnapshot(running=0.0), False, "No request runs: none is cut."),
        (None, True, "How many requests run is not known: they would all be cut."),
        (None, False, "How many requests run is not known: they are all cut now."),
    ],
)
def test_what_a_stop_cuts_before_it_does(
    figures: EngineSnapshot | None, asked: bool, words: str
) -> None:
    assert cut_words(figures, asked=asked) == words


@pytest.mark.parametrize(
    ("drain_s", "cut", "state", "words"),
    [
        (0, 3.0, "ready", " 3 requests were cut."),
        (0, 1.0, "ready", " 1 request was cut."),
        (0, 0.0, "ready", " No request was cut."),
        (0, None, "ready", " How many requests were cut is not known."),
        (0, None, "unhealthy", " How many requests were cut is not known."),
        (0, None, "loading", ""),
        (60, 0.0, "ready", ""),
        (60, 2.0, "ready", " 2 requests were cut."),
        (60, None, "ready", " How many requests were cut is not known."),
        (60, None, "exited", ""),
    ],
)
def test_what_a_stop_has_cut(drain_s: int, cut: float | None, state: Any, words: str) -> None:
    stopped = msgspec.structs.replace(server(arguments=DRAINS), state=state)
    assert cut_told(stopped, stop_plan(stopped, drain_s), cut) == words
