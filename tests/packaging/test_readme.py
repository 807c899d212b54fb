"""Every shell command of the README is run, or is accounted for by name."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gptoss_tui.cli.parser import build
from tests.packaging.documents import README, ROOT, commands, shell_blocks
from tests.packaging.terminal import terminal

BLOCKS = shell_blocks(README.read_text("utf-8"))

# How each command outside of the block "headless" is exercised; that one is run as it stands.
MADE = "test_make_knows_it"
WHEEL = "tests/packaging/test_wheel.py"
HOW = {
    "make demo": "test_the_demo_paints",
    "make test": MADE,
    "make bench": MADE,
    "pip install .": WHEEL,
    "pipx install .": WHEEL,
    "uv tool install .": WHEEL,
    "gptoss-tui": "test_the_app_opens",
    "gptoss-tui -F ~/.ssh/other_config": "test_the_app_opens",
    "gptoss-tui --read-only": "test_the_app_opens",
    "gptoss-tui check gpu-1": "test_a_box_of_the_config_is_checked",
    "gptoss-tui check root@1.2.3.4:40123 -i ~/.ssh/key --accept-new": "test_an_address_is_read",
    "gptoss-tui check local --json": "test_this_machine_is_checked",
    'gptoss-tui plan --gpu "NVIDIA L40S" --model 20b --max-model-len 32768 --users 8': (
        "test_a_plan_needs_no_box"
    ),
    "gptoss-tui plan --model 120b --users 20 --context 32768": "test_a_plan_needs_no_box",
    'gptoss-tui plan --gpu "NVIDIA H100 80GB HBM3" --gpus 2 --model 120b --json': (
        "test_a_plan_needs_no_box"
    ),
}


def _with(how: str) -> list[str]:
    return [command for command, name in HOW.items() if name == how]


def _sh(script: str, user: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script to its end, and end what it left in the background when it failed."""
    with (cwd / "stdout").open("wb") as stdout, (cwd / "stderr").open("wb") as stderr:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            env=dict(user),
            cwd=cwd,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        shell.wait(timeout=90)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    said, complained = ((cwd / name).read_text("utf-8") for name in ("stdout", "stderr"))
    return subprocess.CompletedProcess(script, shell.returncode, said, complained)


def _make(*words: str) -> subprocess.CompletedProcess[str]:
    """What make would do, with this venv. Make may have started these tests: they are its own."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    argv = ["make", "-n", *words, f"VENV={sys.prefix}"]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_every_command_is_accounted_for() -> None:
    assert "" not in BLOCKS, "a ```sh block has no <!-- block: name --> above it"
    named = {name for name in BLOCKS if name != "headless"}
    written = {command for name in named for command in commands(BLOCKS[name])}
    assert written == set(HOW)


@pytest.mark.parametrize("how", sorted(set(HOW.values())))
def test_what_accounts_for_it_is_there(how: str) -> None:
    assert callable(globals().get(how)) or (ROOT / how).is_file()


def test_the_first_two_commands_come_first() -> None:
    assert commands(next(iter(BLOCKS.values()))) == ("make demo", "make test")


def test_the_headless_sequence_works(user: Mapping[str, str], tmp_path: Path) -> None:
    done = _sh(BLOCKS["headless"], user, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert '"verdict": "fits"' in said
    assert '{"state":"ready","phase":[]}' in said
    assert '"name": "gpt-oss-20b"' in said
    assert "Hello!" in said
    assert "openai/gpt-oss-20b\n" in said
    assert "was stopped and its container removed" in said
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [*_with(MADE), "make demo", "make check", "make screenshots"])
def test_make_knows_it(command: str) -> None:
    done = _make(*command.split()[1:])
    assert done.returncode == 0, done.stderr
    assert f"{sys.prefix}/bin/" in done.stdout


def test_the_demo_paints(user: Mapping[str, str], tmp_path: Path) -> None:
    last = _make("demo").stdout.strip().splitlines()[-1].split()
    with terminal(last, env=user, cwd=tmp_path) as screen:
        screen.wait_for("sim-3")
        screen.type(b"\x11")
        assert screen.end() == 0


@pytest.mark.parametrize("command", _with("test_the_app_opens"))
def test_the_app_opens(command: str, user: Mapping[str, str], tmp_path: Path) -> None:
    for name in ("config", "other_config"):
        (Path(user["HOME"]) / ".ssh" / name).write_text("Host gpu-1\n    HostName 192.0.2.1\n")
    with terminal(["bash", "-c", f"exec {command}"], env=user, cwd=tmp_path) as screen:
        screen.wait_for("gpu-1")
        screen.type(b"\x11")
        assert screen.end() == 0


@contextmanager
def _simulated(user: Mapping[str, str], cwd: Path) -> Iterator[str]:
    """A simulated box; the text of an ssh config that leads to it as gpu-1."""
    argv = ["gptoss-tui", "sim", "--boxes", "1", "--json"]
    sim = subprocess.Popen(argv, env=dict(user), cwd=cwd, stdout=subprocess.PIPE, text=True)
    try:
        assert sim.stdout is not None
        config = Path(json.loads(sim.stdout.readline())["ssh_config"]).read_text("utf-8")
        yield config.replace("Host sim-1", "Host gpu-1")
    finally:
        sim.terminate()
        sim.communicate(timeout=30)


@pytest.mark.parametrize("command", _with("test_a_box_of_the_config_is_checked"))
def test_a_box_of_the_config_is_checked(
    command: str, user: Mapping[str, str], tmp_path: Path
) -> None:
    with _simulated(user, tmp_path) as config:
        (Path(user["HOME"]) / ".ssh" / "config").write_text(config)
        done = _sh(command, user, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "GPU 0  NVIDIA H100" in done.stdout


def test_a_launch_that_is_answered_with_no_ends_with_130(
    user: Mapping[str, str], tmp_path: Path
) -> None:
    with _simulated(user, tmp_path) as config:
        (Path(user["HOME"]) / ".ssh" / "config").write_text(config)
        argv = ["gptoss-tui", "launch", "gpu-1"]
        with terminal(argv, env=user, cwd=tmp_path) as screen:
            screen.wait_for("Launch gpt-oss-20b? [y/N]")
            screen.type(b"n\n")
            screen.wait_for("Nothing was launched.")
            assert screen.end() == 130


@pytest.mark.parametrize("command", _with("test_an_address_is_read"))
def test_an_address_is_read(command: str) -> None:
    """It names a machine of nobody, so only its words are read."""
    read = build().parse_args(command.split()[1:])
    assert (read.command, read.box) == ("check", "root@1.2.3.4:40123")
    assert (read.identity, read.accept_new) == ("~/.ssh/key", True)


@pytest.mark.parametrize("command", _with("test_this_machine_is_checked"))
def test_this_machine_is_checked(command: str, user: Mapping[str, str], tmp_path: Path) -> None:
    """Code 1 says that something stands in the way here; the document is there all the same."""
    done = _sh(command, user, tmp_path)
    body = json.loads(done.stdout)["body"]
    blocked = any(finding["level"] == "blocker" for finding in body["findings"])
    assert done.returncode == (1 if blocked else 0), done.stderr


@pytest.mark.parametrize("command", _with("test_a_plan_needs_no_box"))
def test_a_plan_needs_no_box(command: str, user: Mapping[str, str], tmp_path: Path) -> None:
    done = _sh(command, user, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fits" in done.stdout
