"""An exported file says what `docker run` says, holds no secret, and is read back to its spec."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptoss_tui.cli import parser_export
from gptoss_tui.domain.export import FORMATS, Format, changed_lines, container, export, read_back
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.errors import StateError, UsageError
from tests.architecture.strategies import values_of
from tests.unit.make import spec

# What a shell, systemd, Compose or YAML reads as more than itself, and ordinary text between.
_WORD = st.text(
    st.sampled_from("ab-#:$%`'\"\\;&|<>(){}[]*?!@, \n\t\r=~é\x7f\x85\u2028\ufeff😀")
    | st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
    min_size=1,
    max_size=12,
)
_ONCE = st.sampled_from(["$$", "%%", "%n", "${A}", "$A", "'", '"', "\\", "\\\n", "#", "yes", "-d"])
_TEXT = _WORD | _ONCE
SPECS = st.builds(
    spec,
    name=_TEXT,
    engine=st.sampled_from(["vllm", "sglang", "ollama"]),
    engine_version=st.just("0.32.0"),
    model=_TEXT,
    image=_TEXT,
    served_name=_TEXT,
    gpu_ids=st.lists(st.sampled_from(["0", "1", "GPU-aa"]), unique=True, min_size=1).map(tuple),
    gpu_access=st.sampled_from(["gpus", "cdi", "runtime"]),
    cdi_devices=st.lists(st.sampled_from(["nvidia.com/gpu=0", "x%i"]), max_size=2).map(tuple),
    port=st.integers(1, 65535),
    bind=st.sampled_from(["127.0.0.1", "::1", "0.0.0.0"]),
    arguments=st.lists(_TEXT, max_size=5).map(tuple),
    environment=st.lists(st.tuples(st.sampled_from(["A", "B_C"]), _TEXT), max_size=2).map(tuple),
    cache_dir=st.none() | _TEXT.map("/".__add__),
    weights_dir=st.none() | _TEXT.map("/".__add__),
    stop_timeout_s=st.integers(1, 999),
    restart_once_ready=st.booleans(),
    security_opt=st.lists(st.just("label=disable") | _TEXT, max_size=2).map(tuple),
    host_user=st.booleans(),
    needs_api_key=st.booleans(),
    has_token=st.booleans(),
    created_by=_TEXT,
    created_at=_TEXT,
)
_SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("form", FORMATS)
@_SLOW
@given(made=SPECS)
def test_an_export_is_read_back_to_the_same_spec(form: Format, made: LaunchSpec) -> None:
    text = export(made, form)
    assert read_back(text) == made
    assert changed_lines(text) == ()


@pytest.mark.parametrize("form", FORMATS)
@_SLOW
@given(made=values_of(LaunchSpec))
def test_any_spec_is_read_back(form: Format, made: LaunchSpec) -> None:
    made = msgspec.structs.replace(made, version=1, engine_version="0.32.0")
    assert read_back(export(made, form)) == made


@settings(_SLOW, max_examples=40)
@given(made=SPECS)
def test_a_shell_runs_the_script_as_docker_run(
    tmp_path_factory: pytest.TempPathFactory, made: LaunchSpec
) -> None:
    folder = tmp_path_factory.mktemp("script")
    docker = folder / "docker"
    docker.write_text("#!/bin/sh\nprintf '%s\\0' docker \"$@\"\n")
    docker.chmod(0o755)
    (folder / "run.sh").write_text(export(made, "docker-run"), "utf-8")
    path = {"PATH": f"{folder}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["sh", folder / "run.sh"], env=path, capture_output=True, check=True)
    restart = ("--restart", "unless-stopped") if made.restart_once_ready else ()
    words = container.words(made, "docker", "run", "-d", *restart)
    assert done.stdout.decode().split("\0")[:-1] == list(words)


@pytest.mark.parametrize("form", FORMATS)
def test_the_files_of_secrets_are_named_and_mounted(form: Format) -> None:
    text = export(spec(needs_api_key=True, has_token=True), form)
    for name in ("api_key", "hf_token"):
        assert f"#   /etc/gptoss-tui/gpt-oss-20b/{name}\n" in text
        assert text.count(f"/etc/gptoss-tui/gpt-oss-20b/{name}") == 2
        assert f"/run/gptoss-tui/{name}" in text
    assert "/etc/gptoss-tui" not in export(spec(), form)


def test_an_edited_file_is_told_by_its_line() -> None:
    text = export(spec(), "compose").replace("127.0.0.1:8000:8000", "127.0.0.1:9000:8000")
    (line,) = changed_lines(text)
    assert "9000" in line
    assert "8000:8000" in line
    commented = "# mine\n\n" + export(spec(), "compose").replace("\n", "\r\n")
    assert changed_lines(commented) == ()


@pytest.mark.parametrize("text", ["", "services:\n  x:\n", "docker run -d 'open", "[Service]\n"])
def test_what_is_no_export_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no export") as refusal:
        read_back(text)
    assert "gptoss-tui export" in refusal.value.next_step


def test_a_server_that_was_stopped_on_purpose_does_not_come_back() -> None:
    """Docker's command ends with 143 or 137 then, which systemd takes for a failure by itself."""
    lines = export(spec(), "systemd").splitlines()
    assert {"Restart=on-failure", "SuccessExitStatus=143", "RestartPreventExitStatus=137"} <= {
        *lines
    }


def test_an_export_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    newer = export(spec(version=99), "systemd")
    with pytest.raises(StateError, match="newer"):
        read_back(newer)


def test_the_words_of_the_command_name_every_form() -> None:
    assert parser_export.FORMATS == FORMATS
