"""`doctor --apply`: a failed launch once more, with the change that helps, on a simulated box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gptoss_tui.sim.profile import RTX4090, Profile
from gptoss_tui.sim.run import SimBox
from tests.cli.conftest import Background, Cli

SMALL = Profile("small", (RTX4090,), image_cached=True, weights_cached=True)


def test_a_context_that_does_not_fit_is_lowered_and_launched_again(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    where = ("sim-1", "-F", boxes(SMALL, speed=20.0).config)
    words = ("--max-model-len", "131072", "--gpu-memory-utilization", "0.7", "--force")
    failed = cli("launch", *where, *words, "--yes", "--wait", "--json")
    assert failed.code == 6, failed.out + failed.err
    last = failed.documents[-2]["body"]
    assert last["diagnosis"]["cause"] == "context_does_not_fit"
    assert last["spec"]["arguments"]

    flags = " ".join(last["diagnosis"]["change"]["flags"])
    line = f"gptoss-tui doctor -F {where[2]} sim-1"
    told = cli("doctor", *where)
    assert f"  To launch again with {flags}: {line} --apply\n" in told.out

    refused = cli("doctor", *where, "--apply", "--json")
    assert refused.code == 2  # nobody said yes
    again = cli("doctor", *where, "--apply", "--yes", "--wait", "--json")
    assert again.code == 0, again.out + again.err
    found, launched, *_, ready = again.documents
    flag, value = found["change"]["flags"]
    assert flag == "--max-model-len"
    assert launched["spec"]["arguments"][-2:] == [flag, value]
    assert ready["body"]["state"] == "ready"
    (status,) = cli("status", *where, "--json").documents
    assert len(status["instances"]["body"]["instances"]) == 1  # the stopped one is gone

    nothing = cli("doctor", *where, "--apply", "--yes")
    assert nothing.code == 2
    assert "no change" in nothing.err


@pytest.mark.parametrize("named", [("--name", "one"), ()])
def test_a_launch_that_fails_tells_how_to_launch_again(
    cli: Cli, boxes: Callable[..., Background], named: tuple[str, ...]
) -> None:
    where = ("sim-1", "-F", boxes(SMALL, speed=20.0).config)
    words = ("--max-model-len", "131072", "--gpu-memory-utilization", "0.7", "--force")
    failed = cli("launch", *where, *words, "--yes", "--wait", *named)
    name = "one" if named else "gpt-oss-20b"
    line = f"gptoss-tui doctor -F {where[2]} sim-1 {name} --apply"
    step = failed.err.splitlines()[-1]
    assert "To launch again with --max-model-len " in step
    assert step.endswith(f": {line}")
    again = cli(*line.split()[1:], "--yes", "--wait")
    assert again.code == 0, again.out + again.err


def test_what_blocks_a_launch_blocks_it_once_more_in_the_same_words(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    running = boxes(SMALL, speed=20.0)
    where = ("sim-1", "-F", running.config)
    words = ("--max-model-len", "131072", "--gpu-memory-utilization", "0.7", "--force")
    assert cli("launch", *where, *words, "--yes", "--wait").code == 6

    def break_it(box: SimBox) -> None:
        box.world.profile = replace(SMALL, faults=frozenset({"no_toolkit"}))

    running.do(break_it)
    refused = cli("doctor", *where, "--apply", "--yes")
    assert (refused.code, refused.err) == (4, cli("launch", *where, "--yes").err)


def test_a_launch_tells_what_the_log_does_not(cli: Cli, boxes: Callable[..., Background]) -> None:
    mute = replace(SMALL, faults=frozenset({"no_answer"}))
    where = ("sim-1", "-F", boxes(mute, speed=20.0).config)
    words = ("--max-model-len", "8192", "--yes", "--wait", "--json")
    failed = cli("launch", *where, *words)
    assert failed.code == 6, failed.out + failed.err
    assert "does not answer" in cli("doctor", *where).out


def test_a_fix_that_a_person_must_choose_is_not_said_to_be_none(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    dying = boxes(replace(SMALL, faults=frozenset({"dies_loading"})), speed=20.0)
    where = ("sim-1", "-F", dying.config)
    assert cli("launch", *where, "--max-model-len", "8192", "--yes", "--wait").code == 6
    told = cli("doctor", *where, "--apply", "--yes")
    assert told.code == 1
    assert "fix: Plan it again with a shorter context" in told.out
    first, step = told.err.splitlines()
    assert first.endswith("What helps here has to be decided by you: see the fix above.")
    assert step == f"  Then launch again: gptoss-tui launch -F {where[2]} sim-1"


def test_a_saved_log_cannot_be_launched_again(cli: Cli) -> None:
    assert cli("doctor", "--log", "x", "--apply").code == 2
