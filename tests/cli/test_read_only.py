"""A session that only watches: refused by its words, and by the box by the marks of its seam."""

from __future__ import annotations

import pytest

from gptoss_tui.cli import read_only, run
from tests.cli.conftest import Background, Cli
from tests.cli.test_errors import both

CHANGING = (
    "launch BOX", "launch BOX --from nowhere.yaml", "stop BOX", "restart BOX --now", "chat BOX",
    "cancel BOX", "forward BOX", "load-image BOX nowhere.tar", "upgrade BOX --image :latest",
    "repair BOX toolkit", "doctor BOX --apply", "spot BOX --drain",
)  # fmt: skip


@pytest.mark.parametrize("words", CHANGING)
def test_read_only_refuses_what_changes_before_anything_else(cli: Cli, words: str) -> None:
    """No box of that name is there, and the secret is not either: neither is looked for."""
    secret = ("--password-file", "/nowhere/at/all")
    command, *more = words.replace("BOX", "nowhere.invalid").split()
    people, error = both(cli, command, *more, "--read-only", *secret)
    assert (people.code, error["code"]) == (1, "read_only")
    assert error["message"] == f"This is a read-only session: {command} could change the box."


# What only looks. Each of them is run, and the box refuses any call that its seam marks as changing.
OBSERVING = (
    "check BOX", "status BOX", "plan BOX", "export BOX", "logs BOX --tail 1", "doctor BOX",
    "repair BOX", "repair BOX stale-containers --dry-run",
    "launch BOX --dry-run", "launch BOX --export-as compose",
    "upgrade BOX --engine-version 0.31.0 --dry-run",
)  # fmt: skip
# These have no box of the user's, or nothing but our own list of keys.
WITHOUT_A_BOX = {None, "demo", "sim", "forget-key"}


def test_each_command_is_known_to_change_a_box_or_to_observe_it() -> None:
    changing, observing = ({text.split()[0] for text in some} for some in (CHANGING, OBSERVING))
    assert changing == read_only.CHANGES
    assert set(run.COMMANDS) == changing | observing | WITHOUT_A_BOX


@pytest.mark.parametrize("words", OBSERVING)
def test_read_only_lets_see_what_would_be_done(cli: Cli, serving: Background, words: str) -> None:
    command, _, *more = words.split()
    seen = cli(command, "sim-1", *more, "-F", serving.config, "--read-only")
    assert seen.code == 0, seen.err
    assert serving.do(lambda box: len(box.world.containers)) == 1


@pytest.mark.parametrize(
    "words", ["launch BOX --yes", "stop BOX --now", "restart BOX --now", "chat BOX -p hi",
              "forward BOX", "upgrade BOX --engine-version 0.31.0 --yes",
              "repair BOX stale-containers --yes"],
)  # fmt: skip
def test_the_box_itself_refuses_what_the_words_were_not_known_to_change(
    cli: Cli, serving: Background, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """As a command that gained a changing call would be refused: past the check of the words."""
    monkeypatch.setattr(read_only, "check", lambda arguments: None)
    command, _, *more = words.split()
    refused = cli(command, "sim-1", *more, "-F", serving.config, "--read-only", "--json")
    assert refused.code == 1, refused.out
    error = refused.documents[-1]["error"]
    assert error["code"] == "read_only"
    assert "could change the box." in error["message"]
    assert serving.do(lambda box: len(box.world.containers)) == 1
