"""`repair`: lists, shows, asks, runs; and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gptoss_tui.sim.profile import H100, Profile
from gptoss_tui.sim.run import SimBox
from tests.cli.conftest import Background, Cli

DENIED = Profile("denied", (H100,), faults=frozenset({"docker_denied"}))
Boxes = Callable[..., Background]


def test_without_names_it_lists_what_and_why(cli: Cli, boxes: Boxes) -> None:
    there = boxes(DENIED)
    listed = cli("repair", "sim-1", "-F", there.config)
    assert listed.code == 0
    assert listed.out.startswith("docker-group")
    assert "may not use Docker" in listed.out
    again = f"gptoss-tui repair -F {there.config} sim-1 docker-group"  # what reaches the same box
    assert f"Repair with: {again}\n" in listed.out
    assert f"To repair it: {again}\n" in cli("check", "sim-1", "-F", there.config).out
    offer = cli("repair", "sim-1", "-F", there.config, "--json").document["repairs"][0]
    assert (offer["name"], offer["needed"]) == ("docker-group", True)
    assert there.do(lambda box: box.world.repairs) == {}


def test_a_sound_box_needs_nothing(cli: Cli, warm: Background) -> None:
    listed = cli("repair", "sim-1", "-F", warm.config)
    assert (listed.code, "nothing on sim-1" in listed.out) == (0, True)


def test_dry_run_prints_the_script_and_runs_nothing(cli: Cli, boxes: Boxes) -> None:
    there = boxes(DENIED)
    words = ("repair", "sim-1", "docker-group", "toolkit", "-F", there.config, "--dry-run")
    shown = cli(*words)
    assert shown.code == 0
    assert "usermod -aG docker" in shown.out
    assert "nvidia-ctk runtime configure" in shown.out
    assert "WARNING The group docker is root by another name" in shown.out
    assert [one["name"] for one in cli(*words, "--json").documents] == ["docker-group", "toolkit"]
    assert there.do(lambda box: box.world.repairs) == {}


def test_with_a_yes_it_runs_and_the_check_is_content_afterwards(
    cli: Cli, boxes: Boxes, tmp_path: Path
) -> None:
    there = boxes(DENIED)
    password = tmp_path / "password"
    password.write_text("secret\n")
    words = ("repair", "sim-1", "docker-group", "--yes", "-F", there.config)
    refused = cli(*words)
    assert refused.code == 3
    assert "asks for a password" in refused.err
    done = cli(*words, "--sudo-password-file", str(password))
    assert done.code == 0, done.err
    assert done.out.index("usermod") < done.out.index("The user is in the group docker")
    last = done.out.splitlines()[-1]
    assert re.fullmatch(r"done in \d+ s: .*done, and the box was looked at again\.", last)
    assert cli("check", "sim-1", "-F", there.config).code == 0
    assert "secret" not in done.out + done.err
    log = next((file for file in cli.home.rglob("*.log")), None)
    assert log is None or "secret" not in log.read_text()


def test_json_is_one_fact_a_line_and_the_last_is_the_verdict(cli: Cli, warm: Background) -> None:
    done = cli("repair", "sim-1", "toolkit", "--yes", "--json", "-F", warm.config)
    kinds = [document["body"]["kind"] for document in done.documents]
    assert kinds[-2:] == ["repair_end", "repair"]
    assert set(kinds[:-2]) == {"repair_line"}
    assert done.documents[-1]["body"]["fixed"] is True


def test_without_a_yes_and_with_nobody_to_ask_nothing_runs(cli: Cli, boxes: Boxes) -> None:
    there = boxes(DENIED)
    refused = cli("repair", "sim-1", "toolkit", "-F", there.config)
    assert refused.code == 2
    assert "--yes" in refused.err
    assert there.do(lambda box: box.world.repairs) == {}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--yes",), 2, "the name of each repair"),
        (("everything",), 7, "There are: docker-start, docker-group, toolkit"),
        (("toolkit", "--yes", "--read-only"), 1, "read-only"),
        (("toolkit", "--yes", "--toolkit-repository", "x y"), 2, "no address"),
        (("hf-cache", "--yes", "--drop-model", "x/y"), 7, "no x/y in the cache"),
    ],
)
def test_what_is_refused(
    cli: Cli, warm: Background, words: tuple[str, ...], code: int, told: str
) -> None:
    refused = cli("repair", "sim-1", *words, "-F", warm.config)
    assert (refused.code, told in refused.err) == (code, True), refused.err
    assert warm.do(lambda box: box.world.repairs) == {}


def test_a_read_only_session_may_see_the_list_and_the_scripts(cli: Cli, warm: Background) -> None:
    words = ("repair", "sim-1", "-F", warm.config, "--read-only")
    assert cli(*words).code == 0
    assert cli(*words, "toolkit", "--dry-run").code == 0


def test_a_repair_after_which_it_is_still_wrong_fails(cli: Cli, boxes: Boxes) -> None:
    """The script went well, but what was found is found again."""
    there = boxes(DENIED)

    def stubborn(box: SimBox) -> None:
        setattr(box.world, "logged_in", lambda: None)  # noqa: B010 the group never holds

    there.do(stubborn)
    password = cli.home.parent / "password"
    password.write_text("secret\n")
    done = cli(
        "repair", "sim-1", "docker-group", "--yes", "-F", there.config,
        "--sudo-password-file", str(password),
    )  # fmt: skip
    assert done.code == 1
    assert "the box still says" in done.out
