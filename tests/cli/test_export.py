"""`export`, `launch --export-as` and `launch --from`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptoss_tui.domain import export as exports
from gptoss_tui.sim.container import Container
from gptoss_tui.sim.run import SimBox
from tests.cli.conftest import Background, Cli


def only(box: SimBox) -> Container:
    (container,) = box.world.containers.values()
    return container


@pytest.mark.parametrize("form", ["docker-run", "compose", "systemd"])
def test_what_was_exported_is_launched_as_it_was(
    cli: Cli, serving: Background, tmp_path: Path, form: str
) -> None:
    file = tmp_path / "exported"
    where = ("sim-1", "-F", serving.config)
    result = cli("export", *where, "--format", form, "-o", str(file))
    assert (result.code, result.out) == (0, f"gpt-oss-20b is in {file}, as {form}.\n")
    before = serving.do(only)
    assert cli("stop", *where, "--yes").code == 0

    result = cli("launch", *where, "--from", str(file), "--yes", "--wait")
    assert result.code == 0, result.err
    after = serving.do(only)
    own = {"Labels"}
    assert {k: v for k, v in after.body.items() if k not in own} == {
        k: v for k, v in before.body.items() if k not in own
    }
    assert after.labels["io.gptoss-tui.launch"] != before.labels["io.gptoss-tui.launch"]


def test_a_launch_can_be_written_instead(cli: Cli, warm: Background) -> None:
    result = cli("launch", "sim-1", "-F", warm.config, "--export-as", "systemd")
    assert result.code == 0, result.err
    assert result.out.startswith("# gpt-oss-20b: ")  # the file alone, so that `>` makes one
    assert "ExecStart=/usr/bin/docker run" in result.out
    assert "Launched" not in result.out
    assert "KV cache" in result.err
    assert exports.changed_lines(result.out) == ()
    assert warm.do(lambda box: len(box.world.containers)) == 0
    document = cli(
        "launch", "sim-1", "-F", warm.config, "--export-as", "compose", "--json"
    ).document
    assert document["format"] == "compose"
    assert document["text"].startswith("# gpt-oss-20b: ")


def test_an_export_can_be_written_in_another_form_and_is_not_launched(
    cli: Cli, warm: Background, tmp_path: Path
) -> None:
    file = tmp_path / "compose.yaml"
    where = ("launch", "sim-1", "-F", warm.config)
    assert cli(*where, "--export-as", "compose", "-o", str(file)).code == 0
    result = cli(*where, "--from", str(file), "--export-as", "docker-run", "--yes")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("#!/bin/sh\n")
    assert warm.do(lambda box: len(box.world.launches)) == 0


def test_a_file_that_is_there_is_written_over_only_by_force(
    cli: Cli, serving: Background, tmp_path: Path
) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("mine\n")
    words = ("export", "sim-1", "-F", serving.config, "-o", str(file))
    refused = cli(*words)
    assert (refused.code, refused.out, file.read_text()) == (2, "", "mine\n")
    assert f"{file} is there already." in refused.err
    assert [*cli(*words, "--json").document] == ["error"]
    assert cli(*words, "--force").code == 0
    assert file.read_text().startswith("# gpt-oss-20b: ")
    assert cli(*words[:-1], "/dev/null").code == 0  # no file that could be lost


def test_secrets_are_asked_for_again_and_are_in_no_file(
    cli: Cli, warm: Background, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-secret-1")
    where = ("sim-1", "-F", warm.config)
    launched = cli("launch", *where, "--yes", "--wait", "--api-key-file", str(key))
    assert launched.code == 0, launched.err
    exported = cli("export", *where)
    assert "sk-secret-1" not in exported.out
    assert "/etc/gptoss-tui/gpt-oss-20b/api_key" in exported.out
    file = tmp_path / "compose.yaml"
    file.write_text(exported.out)
    assert cli("stop", *where, "--yes").code == 0
    again = ("launch", *where, "--from", str(file), "--yes")
    refused = cli(*again)
    assert refused.code == 2
    assert "--api-key-file" in refused.err
    assert cli(*again, "--wait", "--api-key-file", str(key)).code == 0
    assert serving_key(warm) == "sk-secret-1"


def serving_key(box: Background) -> str | None:
    return box.do(lambda one: only(one).api_key)


def test_an_edited_or_foreign_file_is_refused(
    cli: Cli, serving: Background, tmp_path: Path
) -> None:
    where = ("sim-1", "-F", serving.config)
    text = cli("export", *where).out
    assert cli("stop", *where, "--yes").code == 0
    file = tmp_path / "compose.yaml"
    file.write_text(text.replace(":8000:8000", ":9000:8000"))
    refused = cli("launch", *where, "--from", str(file), "--yes")
    assert refused.code == 2
    assert "9000" in refused.err
    assert "--port" in refused.err
    file.write_text("services: {}\n")
    assert cli("launch", *where, "--from", str(file), "--yes").code == 2
    assert cli("launch", *where, "--from", str(tmp_path / "none"), "--yes").code == 1
    file.write_text(text)
    moved = cli("launch", *where, "--from", str(file), "--yes", "--wait", "--port", "9000")
    assert moved.code == 0, moved.err
    assert serving.do(only).binding == ("127.0.0.1", 9000)


def test_a_taken_name_and_a_foreign_server(cli: Cli, serving: Background, tmp_path: Path) -> None:
    where = ("sim-1", "-F", serving.config)
    file = tmp_path / "run.sh"
    assert cli("export", *where, "--format", "docker-run", "-o", str(file)).code == 0
    taken = cli("launch", *where, "--from", str(file), "--yes")
    assert taken.code in (1, 4)
    assert "taken" in taken.err or "already" in taken.err

    def theirs(box: SimBox) -> None:
        box.world.start(box.world.create("theirs", {"Image": "vllm/vllm-openai:v0.32.0"}))

    serving.do(theirs)
    foreign = cli("export", "sim-1", "theirs", "-F", serving.config)
    assert foreign.code == 7
    assert "did not launch it" in foreign.err
