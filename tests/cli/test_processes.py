"""The console script as a process of its own: boxes in the background, signals, pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Background, Cli
from tests.real.waiting import until
from tests.remote.support import WARM, server_sides

# How a test waits at most for a process that it has asked to end.
PATIENCE_S = 20


@contextmanager
def process(*argv: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """`gptoss-tui ARGV` with pipes; killed at the end if the test did not end it."""
    running = subprocess.Popen(
        [sys.executable, "-m", "gptoss_tui", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"GPTOSS_TUI_HOME": str(home)},
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate(timeout=PATIENCE_S)


def first_line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    line = running.stdout.readline()
    assert line, running.stderr.read() if running.stderr else "nothing was printed"
    return line


def ended(running: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    """Send a signal; exit code and the rest of both outputs."""
    running.send_signal(number)
    out, err = running.communicate(timeout=PATIENCE_S)
    return running.returncode, out, err


def test_boxes_in_the_background_serve_every_command(cli: Cli, tmp_path: Path) -> None:
    with process("sim", "--boxes", "1", "--speed", "400", "--json", home=tmp_path) as running:
        about = json.loads(first_line(running))
        assert about["boxes"][0]["name"] == "sim-1"
        assert about["boxes"][0]["gpus"] == ["NVIDIA H100 80GB HBM3"] * 2
        folder = Path(about["ssh_config"]).parent
        assert folder.stat().st_mode & 0o077 == 0
        assert Path(about["key"]).stat().st_mode & 0o077 == 0
        where = ("sim-1", "-F", about["ssh_config"])
        assert cli("check", *where).code == 0
        assert cli("plan", *where, "--json").document["verdict"] == "fits"
        launched = cli("launch", *where, "--yes", "--wait", "--json")
        assert launched.documents[-1]["body"]["state"] == "ready"
        assert "Hello!" in cli("chat", *where, "-p", "Hello!").out
        assert cli("stop", *where, "--yes").code == 0
        code, _, err = ended(running, signal.SIGTERM)
    assert (code, err) == (0, "")
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_simulator_cleans_up_after_any_ending(tmp_path: Path, number: signal.Signals) -> None:
    with process("sim", "--boxes", "2", home=tmp_path) as running:
        config = Path(first_line(running).removeprefix("ssh config: ").strip())
        assert config.read_text().count("Host sim-") == 2
        said = [first_line(running) for _ in range(5)]
        code, _, err = ended(running, number)
    assert (code, err) == (0, "")
    assert said[2].startswith(f"try: ssh -F {config} sim-1")
    assert said[-1] == "ctrl+c ends them\n"
    assert not config.parent.exists()


def test_forward_serves_until_it_is_interrupted(serving: Background, tmp_path: Path) -> None:
    argv = ("forward", "sim-1", "-F", serving.config, "--json")
    with process(*argv, home=tmp_path) as running:
        opened = json.loads(first_line(running))
        assert opened["base_url"] == f"http://127.0.0.1:{opened['port']}/v1"
        assert (opened["instance"], opened["model"]) == ("gpt-oss-20b", "openai/gpt-oss-20b")
        with httpx.Client(trust_env=False) as client:
            models: Any = client.get(f"{opened['base_url']}/models").json()
            assert models["data"][0]["id"] == "openai/gpt-oss-20b"
        code, out, err = ended(running, signal.SIGINT)
        assert (code, out, err) == (130, "", "")
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
            client.get(f"{opened['base_url']}/models")


def test_forward_prints_what_clients_need(serving: Background, tmp_path: Path) -> None:
    with process("forward", "sim-1", "-F", serving.config, home=tmp_path) as running:
        line = first_line(running)
        code, _, err = ended(running, signal.SIGINT)
    assert "OPENAI_BASE_URL=http://127.0.0.1:" in line.replace('"', "").replace("'", "")
    assert (code, err) == (130, "")


@pytest.mark.parametrize("port", ["99999", "-1", "x"])
def test_forward_takes_only_what_can_be_a_port(cli: Cli, port: str) -> None:
    refused = cli("forward", "sim-1", "--port", port)
    assert (refused.code, refused.out) == (2, "")
    assert f"{port!r} is no port. " in refused.err.replace("\n", " ")


def test_forward_ends_with_the_connection(
    serving: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = server_sides(monkeypatch)
    with process("forward", "sim-1", "-F", serving.config, "--json", home=tmp_path) as running:
        first_line(running)
        serving.do(lambda _: sides[0].abort())
        out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1
    assert "lost" in json.loads(out)["error"]["message"]
    assert err == ""


def test_ctrl_c_ends_a_following_log_with_130(serving: Background, tmp_path: Path) -> None:
    argv = ("logs", "sim-1", "-F", serving.config, "--follow", "--tail", "1")
    with process(*argv, home=tmp_path) as running:
        assert first_line(running).endswith("Application startup complete.\n")
        assert ended(running, signal.SIGINT) == (130, "", "")


def test_ctrl_c_in_a_drain_says_what_becomes_of_the_server(
    cli: Cli, boxes: Callable[..., Background], tmp_path: Path
) -> None:
    """A version that cuts what runs is watched first, and others send requests without an end."""
    busy = boxes(traffic=12.0)
    busy.do(lambda box: box.world.images.add("vllm/vllm-openai:v0.17.0"))
    where = ("sim-1", "-F", busy.config)
    assert cli("launch", *where, "--engine-version", "0.17.0", "--yes", "--wait").code == 0
    with process("stop", *where, "--yes", "--drain", "600", home=tmp_path) as running:
        assert "load balancer" in first_line(running)
        assert "still run" in first_line(running)
        code, _, err = ended(running, signal.SIGINT)
    see = f"gptoss-tui status -F {busy.config} sim-1"
    assert (code, err) == (
        130,
        f"Interrupted: gpt-oss-20b is not stopped, and serves on, as far as was seen. See: {see}\n",
    )
    assert busy.do(lambda box: [one.state for one in box.world.containers.values()]) == ["running"]


def test_ctrl_c_after_the_signal_leaves_the_end_to_the_box(
    cli: Cli, boxes: Callable[..., Background], tmp_path: Path
) -> None:
    busy = boxes(replace(WARM, starts_at_once=True), speed=1.0, traffic=12.0)
    where = ("sim-1", "-F", busy.config)
    assert cli("launch", *where, "--yes", "--wait").code == 0
    until("others send requests", lambda: busy.do(_wanted) >= 6, PATIENCE_S)
    with process("stop", *where, "--yes", home=tmp_path) as running:
        assert "HTTP 500" in first_line(running)
        assert "still run" in first_line(running)
        code, _, err = ended(running, signal.SIGINT)
    assert code == 130
    assert "gpt-oss-20b ends by itself, and its container stays." in err
    # Its own limit is 60 s.
    until("it has ended", lambda: busy.do(_states) == ["exited"], 90)


def _states(box: Any) -> list[str]:
    return [container.state for container in box.world.containers.values()]


def _wanted(box: Any) -> float:
    (container,) = box.world.containers.values()
    return float(container.engine.wanted(box.world.clock.seconds()))


def test_ctrl_c_leaves_a_launch_going_on(cli: Cli, tmp_path: Path) -> None:
    with process("sim", "--speed", "2", "--json", home=tmp_path) as sim:
        config = json.loads(first_line(sim))["ssh_config"]
        argv = ("launch", "sim-1", "-F", config, "--yes", "--wait", "--json")
        with process(*argv, home=tmp_path) as running:
            launch_id = json.loads(first_line(running))["launch_id"]
            assert json.loads(first_line(running))["body"]["state"] == "running"
            code, _, err = ended(running, signal.SIGINT)
        assert (code, err) == (130, "")
        launches = cli("status", "sim-1", "-F", config, "--json").document["launches"]
        found = [(fact["body"]["launch_id"], fact["body"]["state"]) for fact in launches]
        assert found == [(launch_id, "running")]


def test_a_reader_that_has_seen_enough_is_no_failure(serving: Background, tmp_path: Path) -> None:
    argv = ("logs", "sim-1", "-F", serving.config, "--tail", "0", "--follow")
    with process(*argv, home=tmp_path) as running:
        first_line(running)
        assert running.stdout is not None
        running.stdout.close()  # as `| head -1` does
        serving.do(_chatter)
        running.wait(PATIENCE_S)
        assert running.stderr is not None
        assert (running.returncode, running.stderr.read()) == (0, "")


def _chatter(box: Any) -> None:
    container = next(iter(box.world.containers.values()))
    for number in range(50):
        container.say(box.world.clock.now(), f"line {number}")


def test_the_module_and_the_script_are_the_same(tmp_path: Path) -> None:
    with process("--version", home=tmp_path) as running:
        out, err = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, err) == (0, "")
    assert out.startswith("gptoss-tui ")
