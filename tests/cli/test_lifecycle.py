"""`stop`, `restart` and `upgrade` as a person or a script runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gptoss_tui.cli import lifecycle_command
from gptoss_tui.domain.draining import Draining, left_alone
from gptoss_tui.sim.container import Container
from gptoss_tui.sim.profile import H100, Profile
from gptoss_tui.sim.run import SimBox
from tests.cli.conftest import Background, Cli
from tests.remote.support import WARM

OLD, NEW = "0.31.0", "0.32.0"


def containers(box: SimBox) -> list[Container]:
    return list(box.world.containers.values())


@pytest.fixture
def old(cli: Cli, warm: Background) -> Background:
    """gpt-oss-20b served by an older version."""
    warm.do(lambda box: box.world.images.add(f"vllm/vllm-openai:v{OLD}"))
    words = ("launch", "sim-1", "-F", warm.config, "--yes", "--wait", "--engine-version", OLD)
    result = cli(*words)
    assert result.code == 0, result.err
    return warm


def test_a_stop_tells_of_balancers_and_of_what_it_did(cli: Cli, serving: Background) -> None:
    result = cli("stop", "sim-1", "-F", serving.config, "--yes")
    assert result.code == 0, result.err
    warning, done = result.out.splitlines()
    assert "load balancer" in warning
    assert "HTTP 500" in warning
    assert done == "gpt-oss-20b was stopped and its container removed."


def test_now_warns_how_many_requests_are_cut(cli: Cli, boxes: Callable[..., Background]) -> None:
    busy = boxes(traffic=12.0)
    assert cli("launch", "sim-1", "-F", busy.config, "--yes", "--wait").code == 0
    result = cli("stop", "sim-1", "-F", busy.config, "--now", "--grace", "0", "--json")
    assert result.code == 0, result.err
    warning, done = result.documents
    assert warning["requests"] > 0
    assert warning["warning"] == f"{warning['requests']:.0f} requests run and are cut now."
    assert done["body"]["text"].endswith(" requests were cut.")


def test_now_tells_that_nothing_was_cut_where_nothing_ran(cli: Cli, serving: Background) -> None:
    result = cli("stop", "sim-1", "-F", serving.config, "--now", "--yes")
    assert result.out.splitlines() == [
        "gpt-oss-20b was stopped and its container removed. No request was cut."
    ]


def test_the_question_says_what_would_be_cut(
    cli: Cli, serving: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is there to say yes, so nothing is."""
    monkeypatch.setattr(lifecycle_command, "_asks", lambda arguments: True)
    result = cli("stop", "sim-1", "-F", serving.config, "--now")
    assert (result.code, result.out) == (130, "No request runs: none would be cut.\n")
    assert [container.state for container in serving.do(containers)] == ["running"]


def test_drain_and_now_exclude_each_other(cli: Cli, serving: Background) -> None:
    result = cli("stop", "sim-1", "-F", serving.config, "--now", "--drain", "5")
    assert result.code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("stop", "sim-1", "--drain", "-5"),
        ("stop", "sim-1", "--grace", "-1"),
        ("restart", "sim-1", "--drain", "-5"),
        ("restart", "sim-1", "--drain", "abc"),
        ("sim", "--preempt-after", "-5"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused_before_anything_is_asked(
    cli: Cli, words: tuple[str, ...]
) -> None:
    refused = cli(*words)
    assert (refused.code, refused.out) == (2, "")
    assert f"{words[-1]!r} is no number" in refused.err


def test_the_stop_of_what_is_only_being_launched_asks_about_the_launch(
    cli: Cli, boxes: Callable[..., Background], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not about requests, which it has none of."""
    asked: list[str] = []

    def answer(question: str) -> bool:
        asked.append(question)
        return len(asked) > 1

    monkeypatch.setattr(lifecycle_command, "_asks", lambda arguments: True)
    monkeypatch.setattr(lifecycle_command, "confirm", answer)
    slow = boxes(Profile("cold", (H100,)), speed=0.01)
    where = ("sim-1", "-F", slow.config)
    assert cli("launch", *where, "--yes").code == 0
    for words, code, told in [
        (("stop", *where), 130, ""),
        (
            ("stop", *where, "--now"),
            0,
            "The launch of gpt-oss-20b was cancelled. Nothing of it remains.\n",
        ),
    ]:
        result = cli(*words)
        assert (result.code, result.out) == (code, told), result.err
    assert asked == ["gpt-oss-20b on sim-1 is still being launched. Cancel its launch?"] * 2


def test_a_restart_of_what_is_only_being_launched_is_refused_before_anything_is_asked(
    cli: Cli, boxes: Callable[..., Background], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is warned of, and the next step can be typed as it stands."""
    monkeypatch.setattr(lifecycle_command, "_asks", lambda arguments: True)
    slow = boxes(Profile("cold", (H100,)), speed=0.01)
    where = ("sim-1", "-F", slow.config)
    launch_id = cli("launch", *where, "--yes", "--json").documents[-1]["launch_id"]
    refused = cli("restart", *where)
    assert (refused.code, refused.out) == (7, "")
    first, step = refused.err.splitlines()
    assert first.endswith("gpt-oss-20b is still being launched: there is no container to stop.")
    line = f"gptoss-tui cancel -F {slow.config} sim-1 {launch_id}"
    assert step == f"  Cancel the launch instead: {line}"
    assert cli(*line.split()[1:]).code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [(("upgrade", "--engine-version", NEW), 4), (("chat", "-p", "hi"), 7), (("forward",), 7)],
)
def test_what_is_only_being_launched_is_said_to_be(
    cli: Cli, boxes: Callable[..., Background], words: tuple[str, ...], code: int
) -> None:
    """And not that it is somebody else's, or that nothing of it can be reached."""
    slow = boxes(Profile("cold", (H100,)), speed=0.01)
    where = ("sim-1", "-F", slow.config)
    assert cli("launch", *where, "--yes").code == 0
    refused = cli(words[0], *where, *words[1:])
    assert (refused.code, refused.out) == (code, "")
    assert "gpt-oss-20b is still being launched" in refused.err
    assert "Wait for it, or cancel that launch." in refused.err
    assert cli("cancel", *where).code == 0


@pytest.mark.parametrize(
    ("drain", "restart", "told"),
    [
        (None, False, "may go on serving"),
        (Draining(running=3, left_s=40), False, "serves on"),
        (Draining(running=3, left_s=40, refuses_new=True), False, "its container stays"),
        (Draining(running=3, left_s=40, refuses_new=True), True, "Docker starts it again"),
    ],
)
def test_what_becomes_of_a_server_whose_drain_is_interrupted(
    drain: Draining | None, restart: bool, told: str
) -> None:
    assert told in left_alone("one", drain, restart=restart)


def test_a_server_that_has_ended_takes_no_requests_to_warn_of(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    dying = boxes(replace(WARM, faults=frozenset({"dies_loading"})))
    where = ("sim-1", "-F", dying.config)
    assert cli("launch", *where, "--yes", "--wait").code == 6
    result = cli("stop", *where, "--yes")
    assert result.out == "The container of gpt-oss-20b was removed.\n"


def test_a_restart_waits_until_it_serves_again(cli: Cli, serving: Background) -> None:
    (before,) = serving.do(containers)
    result = cli("restart", "sim-1", "-F", serving.config, "--yes", "--wait")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == "ready: gpt-oss-20b serves again"
    assert serving.do(containers) == [before]


def test_a_restart_waits_for_an_answer_whatever_its_launch_has_told(
    cli: Cli, boxes: Callable[..., Background], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle_command, "LOOK_S", 0.01)
    dumb = boxes(replace(WARM, faults=frozenset({"no_answer"})))
    where = ("sim-1", "-F", dumb.config)
    assert cli("launch", *where, "--yes", "--wait").code == 6
    silent = cli("restart", *where, "--now", "--yes", "--wait")
    assert (silent.code, "its model does not answer" in silent.err) == (6, True)

    def mend(box: SimBox) -> None:
        box.world.profile = replace(box.world.profile, faults=frozenset())

    dumb.do(mend)
    result = cli("restart", *where, "--now", "--yes", "--wait")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == "ready: gpt-oss-20b serves again"
    (container,) = dumb.do(containers)
    assert container.restart_policy == "unless-stopped", "the answer counts for all who look"


def test_a_restart_asks_a_server_with_a_key_where_it_is_given(
    cli: Cli, warm: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli.home.parent / "key").write_text("k-123")
    where = ("sim-1", "-F", warm.config)
    key = ("--api-key-file", str(cli.home.parent / "key"))
    assert cli("launch", *where, "--yes", "--wait", *key).code == 0
    again = ("restart", *where, "--now", "--yes", "--wait")
    without = cli(*again)
    assert (without.code, "its model was not asked" in without.out) == (0, True), without.err
    monkeypatch.setenv("GPTOSS_TUI_API_KEY", "k-123")
    assert cli(*again).out.splitlines()[-1] == "ready: gpt-oss-20b serves again"


def test_an_upgrade_shows_its_plan_and_takes_the_place(cli: Cli, old: Background) -> None:
    where = ("upgrade", "sim-1", "-F", old.config, "--engine-version", NEW)
    shown = cli(*where, "--dry-run")
    assert shown.code == 0, shown.err
    assert f"version: {OLD} → {NEW}" in shown.out
    assert f"vllm/vllm-openai:v{NEW}" in shown.out
    assert "fits" in shown.out
    (before,) = old.do(containers)
    result = cli(*where, "--yes", "--wait")
    assert result.code == 0, result.err
    (after,) = old.do(containers)
    assert after.id != before.id
    assert (after.name, after.body["Image"]) == ("gpt-oss-20b", f"vllm/vllm-openai:v{NEW}")
    status = cli("status", "sim-1", "-F", old.config, "--json").document
    (instance,) = status["instances"]["body"]["instances"]
    assert (instance["state"], instance["spec"]["engine_version"]) == ("ready", NEW)


def test_an_upgrade_that_does_not_come_about_is_rolled_back(cli: Cli, old: Background) -> None:
    (before,) = old.do(containers)
    where = ("upgrade", "sim-1", "-F", old.config, "--yes", "--wait", "--engine-version", NEW)
    missing = cli(*where, "--image", "vllm/vllm-openai:no-such-tag")
    assert missing.code == 6, missing.out
    assert old.do(containers) == [before]
    assert before.engine is not None, "it was never touched: the image was not there"


def test_a_new_version_that_dies_is_set_aside_and_the_old_one_started(
    cli: Cli, old: Background
) -> None:
    (before,) = old.do(containers)
    began = before.started

    def break_it(box: SimBox) -> None:
        broken = frozenset({"dies_loading"})
        box.world.profile = replace(box.world.profile, faults=broken)

    old.do(break_it)
    where = ("sim-1", "-F", old.config)
    result = cli("upgrade", *where, "--engine-version", NEW, "--yes", "--wait")
    assert result.code == 6
    assert "the server gpt-oss-20b as it was before, started again" in result.err
    assert before.name == "gpt-oss-20b"
    assert before.started is not None
    assert began is not None
    assert before.started > began
    (failed,) = (one for one in old.do(containers) if one is not before)
    assert failed.name.startswith("gpt-oss-20b-")
    assert (failed.state, failed.name in result.err) == ("exited", True)
    shown = cli("status", *where).out
    assert "Rolled back: gpt-oss-20b was started again as it was before." in shown
    removed = cli("stop", "sim-1", failed.name, "-F", old.config, "--yes")
    assert removed.out.strip().endswith(f"The container of {failed.name} was removed."), "none cut"


def test_the_cause_of_a_failure_is_told_without_its_container(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    dying = boxes(replace(WARM, faults=frozenset({"dies_loading"})))
    where = ("sim-1", "-F", dying.config)
    launched = cli("launch", *where, "--yes", "--wait")
    assert (launched.code, "The GPU's memory ran out." in launched.err) == (6, True)
    for container in dying.do(containers):
        dying.do(lambda box, one=container: box.world.remove(one))  # type: ignore[misc]
    shown = cli("status", *where)
    assert (
        "gpt-oss-20b: failed\n  The GPU's memory ran out. Plan it again with a shorter" in shown.out
    )
    told = cli("status", *where, "--json").document["launches"][0]["body"]
    assert told["diagnosis"]["cause"] == "gpu_memory"
    assert "CUDA out of memory" in told["diagnosis"]["evidence"][0]
    assert cli("doctor", *where, "--json").document["cause"] == "gpu_memory"


def test_a_server_of_somebody_else_is_not_replaced(cli: Cli, warm: Background) -> None:
    def theirs(box: SimBox) -> None:
        body = {"Image": "vllm/vllm-openai:v0.31.0", "Cmd": ["openai/gpt-oss-20b"]}
        box.world.start(box.world.create("theirs", body))

    warm.do(theirs)
    result = cli("upgrade", "sim-1", "theirs", "-F", warm.config, "--engine-version", NEW, "--yes")
    assert result.code == 7
    assert "never replaced" in result.err
