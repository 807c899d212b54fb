"""The commands end to end against a simulated box: what they print, and their exit codes."""

from __future__ import annotations

import io
import re
import threading
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gptoss_tui.cli import app_command
from gptoss_tui.cli.output import Output
from gptoss_tui.cli.session import new_hub
from gptoss_tui.domain.progress import PHASES
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.sim.faults import FAULTS
from gptoss_tui.sim.profile import H100, L40S, Profile
from gptoss_tui.state.paths import paths
from tests.cli.conftest import Background, Cli


def test_check_reports_a_sound_box(cli: Cli, warm: Background) -> None:
    fact = cli("check", "sim-1", "-F", warm.config, "--json").document
    people = cli("check", "sim-1", "-F", warm.config)
    assert (fact["box"], fact["seq"]) == ("sim-1", 1)
    assert fact["body"]["kind"] == "box"
    assert fact["body"]["hostname"] == "warm"
    assert [gpu["name"] for gpu in fact["body"]["gpus"]] == ["NVIDIA H100 80GB HBM3"] * 2
    assert people.code == 0
    assert people.out.startswith("warm: Ubuntu 24.04.2 LTS, kernel 6.8.0-51-generic\n")
    assert "GPU 1  NVIDIA H100 80GB HBM3  0.0 GiB of 79.6 GiB used" in people.out
    assert "Docker Engine 27.3.1 (API 1.47), via socket." in people.out
    assert people.err == ""


def test_a_whole_session_as_json(cli: Cli, warm: Background) -> None:
    """check, plan, launch, status, chat, logs, stop: each line is a document."""
    where = ("sim-1", "-F", warm.config, "--json")
    assert cli("check", *where).document["body"]["findings"]
    plan = cli("plan", *where).document
    assert (plan["verdict"], plan["request"]["model"]) == ("fits", "20b")
    launched = cli("launch", *where, "--yes", "--wait")
    head, *facts = launched.documents
    assert launched.code == 0
    assert head["spec"]["name"] == "gpt-oss-20b"
    assert head["command"][:2] == ["docker", "run"]
    assert {fact["body"]["launch_id"] for fact in facts} == {head["launch_id"]}
    assert facts[-1]["body"]["state"] == "ready"
    assert [phase["name"] for phase in facts[-1]["body"]["phases"]] == list(PHASES)
    assert [fact["seq"] for fact in facts] == sorted(fact["seq"] for fact in facts)
    status = cli("status", *where).document
    assert status["instances"]["body"]["instances"][0]["state"] == "ready"
    assert status["engines"]["gpt-oss-20b"]["body"]["healthy"] is True
    assert status["launches"][0]["body"]["launch_id"] == head["launch_id"]
    assert len(status["gpus"]["body"]["gpus"]) == 2
    *deltas, done = cli("chat", *where, "-p", "Hello!").documents
    assert {delta["body"]["channel"] for delta in deltas} == {"reasoning", "answer"}
    assert done["body"]["kind"] == "chat_done"
    assert done["body"]["ttft_s"] > 0
    lines = cli("logs", *where, "--tail", "2").documents
    assert [line["body"]["text"].rpartition("INFO:     ")[2] for line in lines] == [
        "Waiting for application startup.",
        "Application startup complete.",
    ]
    stopped = cli("stop", *where)
    assert stopped.document["body"]["text"].startswith("gpt-oss-20b was stopped")
    assert (stopped.code, stopped.err) == (0, "")
    assert cli("status", *where).document["instances"]["body"]["instances"] == []


def test_launch_tells_people_what_will_run_and_where_it_serves(
    cli: Cli, boxes: Callable[..., Background]
) -> None:
    warm = boxes(speed=20.0)
    result = cli("launch", "sim-1", "-F", warm.config, "-y", "--wait", "--users", "4")
    assert result.code == 0
    assert "fits:" in result.out
    assert "docker run" in result.out
    assert "vllm serve openai/gpt-oss-20b" in result.out
    assert "\nload     running" in result.out
    assert re.search(r"\nload     done     \d+ s\n", result.out)
    assert result.err == ""
    # A pipe ends with what counts: that it is ready, after how long, and where.
    *_, ready, url, key, model, here = result.out.splitlines()
    place = "openai/gpt-oss-20b at http://127.0.0.1:8000/v1 on sim-1"
    assert re.fullmatch(rf"ready in \d+ s: {place}", ready)
    assert url == "export OPENAI_BASE_URL=http://127.0.0.1:8000/v1"
    assert (key, model) == (
        "export OPENAI_API_KEY=none", "export OPENAI_MODEL=openai/gpt-oss-20b"
    )  # fmt: skip
    assert here.endswith(f"here: gptoss-tui forward -F {warm.config} sim-1 gpt-oss-20b")


def test_without_wait_the_launch_goes_on_on_the_box(cli: Cli, boxes: Callable[..., Any]) -> None:
    cold = boxes(Profile("cold", (H100,)), speed=1.0)
    result = cli("launch", "sim-1", "-F", cold.config, "--yes")
    assert result.code == 0
    assert f"goes on on sim-1; see: gptoss-tui status -F {cold.config} sim-1" in result.out
    shown = cli("status", "sim-1", "-F", cold.config)
    assert "gpt-oss-20b  launching" in shown.out
    assert ": running, pull" in shown.out
    wrong = cli("cancel", "sim-1", "nobody", "-F", cold.config)
    assert (wrong.code, wrong.out) == (7, "")
    assert "No launch of nobody is in progress on sim-1." in wrong.err
    assert "(gpt-oss-20b)" in wrong.err
    (launch,) = cli("status", "sim-1", "-F", cold.config, "--json").document["launches"]
    launch_id = launch["body"]["launch_id"]
    cancelled = cli("cancel", "sim-1", "gpt-oss-20b", "-F", cold.config)
    assert cancelled.code == 0
    assert "The launch of gpt-oss-20b was cancelled." in cancelled.out
    assert "Nothing of it remains." in cancelled.out  # Docker drops a pull that was broken off
    again = cli("cancel", "sim-1", "-F", cold.config)
    assert (again.code, again.out) == (7, "")
    assert "No launch is in progress on sim-1." in again.err
    ended = cli("cancel", "sim-1", launch_id, "-F", cold.config)
    assert ended.code == 3
    assert "that launch has already ended" in ended.err


def test_a_dry_run_launches_nothing(cli: Cli, warm: Background) -> None:
    result = cli("launch", "sim-1", "-F", warm.config, "--dry-run", "--json")
    assert result.code == 0
    assert result.document["spec"]["image"] == "vllm/vllm-openai:v0.32.0"
    assert result.document["plan"]["verdict"] == "fits"
    assert warm.do(lambda box: (len(box.world.launches), len(box.world.containers))) == (0, 0)


def test_status_for_people(cli: Cli, serving: Background) -> None:
    result = cli("status", "sim-1", "-F", serving.config)
    assert "GPU 1  NVIDIA H100 80GB HBM3" in result.out
    assert "gpt-oss-20b  ready  vllm 0.32.0  openai/gpt-oss-20b  port 8000\n" in result.out
    assert "running 0, waiting 0, KV cache 0.0 % of" in result.out
    assert "of gpt-oss-20b: ready\n" in result.out
    assert cli("status", "sim-1", "gpt-oss-20b", "-F", serving.config).code == 0
    unknown = cli("status", "sim-1", "nobody", "-F", serving.config)
    assert (unknown.code, unknown.out) == (7, "")
    assert unknown.err.startswith("gptoss-tui: There is no server nobody on sim-1 (there: gpt-oss-")


def difference(told: str) -> list[str]:
    """The lines of the table of what was planned and measured."""
    _, table = told.split("what the plan said of the memory, and what came of it:\n")
    return table.partition("\nready in ")[0].splitlines()


def test_what_was_planned_and_what_came_of_it_is_a_table(cli: Cli, warm: Background) -> None:
    """With a heading, whole tokens, and without a row of which the plan says nothing."""
    told = cli("launch", "sim-1", "-F", warm.config, "--engine", "sglang", "--yes", "--wait").out
    head, *rows = (line.split() for line in difference(told))
    assert head == ["planned", "measured", "difference"]
    assert [row[:-3] for row in rows] == [
        ["weights", "GiB"], ["KV", "cache", "GiB"], ["KV", "cache", "tokens"],
        ["CUDA", "graphs", "GiB"],
    ]  # fmt: skip
    tokens, graphs = rows[2], rows[3]
    assert all(cell.lstrip("-").replace(",", "").isdigit() for cell in tokens[-3:])
    assert (graphs[-3], graphs[-1]) == ("--", "--")


def test_what_ollama_was_planned_to_hold_is_what_it_holds(cli: Cli, warm: Background) -> None:
    told = cli("launch", "sim-1", "-F", warm.config, "--engine", "ollama", "--yes", "--wait").out
    _, *rows = difference(told)
    assert [abs(float(row.split()[-1])) < 0.1 for row in rows] == [True, True]


def test_the_demo_opens_on_broken_boxes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []

    async def look(
        arguments: Namespace, options: FleetOptions, output: Output, *, demo: bool
    ) -> int:
        async with Fleet(new_hub(), paths(), options) as fleet:
            report = (await (await fleet.connect("sim-1")).look()).body
        found.extend(finding.code for finding in report.findings)
        return 0

    monkeypatch.setattr(app_command, "_run", look)
    assert cli("demo", "--fault", "gpu_hot", "--fault", "no_toolkit").code == 0
    assert {"gpu_throttled", "no_gpu_runtime"} <= {*found}


def test_each_fault_that_can_be_simulated_is_told_in_a_line(cli: Cli) -> None:
    lines = cli("sim", "--list-faults").out.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [[*item] for item in FAULTS.items()]
    assert cli("sim", "--list-faults", "--json").document == FAULTS


def test_an_idle_box_says_so(cli: Cli, warm: Background) -> None:
    assert "no server runs here" in cli("status", "sim-1", "-F", warm.config).out


def test_chat_puts_the_answer_on_stdout_alone(cli: Cli, serving: Background) -> None:
    result = cli("chat", "sim-1", "-F", serving.config, "-p", "Hello!")
    assert result.code == 0
    assert result.out.startswith("Hello! The connection works end to end: your prompt went")
    assert result.out.endswith("these tokens came back the same way.\n")
    assert result.err.startswith("A greeting. Answer briefly.\n")
    assert "[stop; first token after " in result.err
    assert " tokens/s, " in result.err


def test_a_chat_that_was_cut_while_it_reasoned_has_its_figures_on_a_line_of_their_own(
    cli: Cli, serving: Background
) -> None:
    result = cli("chat", "sim-1", "-F", serving.config, "-p", "Hello!", "--max-tokens", "2")
    assert (result.code, result.out) == (0, "")
    reasoning, figures = result.err.splitlines()
    assert "A greeting".startswith(reasoning)
    assert figures.startswith("[length; first token after ")


def test_chat_reads_its_prompt_from_standard_input(
    cli: Cli, serving: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("count from 1 to 10\n"))
    assert "1, 2, 3, 4" in cli("chat", "sim-1", "-F", serving.config).out
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
    empty = cli("chat", "sim-1", "-F", serving.config)
    assert (empty.code, empty.out) == (2, "")
    assert empty.err.startswith("gptoss-tui: There is no prompt.\n")


def test_a_key_for_the_server_comes_from_a_file_or_the_environment(
    cli: Cli, warm: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-secret-1\n")
    where = ("sim-1", "-F", warm.config)
    launched = cli("launch", *where, "-y", "--wait", "--api-key-file", str(key))
    assert launched.code == 0
    assert "sk-secret-1" not in launched.out + launched.err
    refused = cli("chat", *where, "-p", "hi")
    assert refused.code == 8
    assert "answered 401" in refused.err
    assert cli("chat", *where, "-p", "hi", "--api-key-file", str(key)).code == 0
    monkeypatch.setenv("GPTOSS_TUI_API_KEY", "sk-secret-1")
    assert cli("chat", *where, "-p", "hi").code == 0
    missing = cli("chat", *where, "-p", "hi", "--api-key-file", str(tmp_path / "none"))
    assert missing.code == 1
    assert "cannot be read" in missing.err


def test_logs_are_the_servers_lines(cli: Cli, serving: Background) -> None:
    everything = cli("logs", "sim-1", "-F", serving.config, "--tail", "0").out.splitlines()
    tail = cli("logs", "sim-1", "gpt-oss-20b", "-F", serving.config, "--tail", "3").out
    assert "vLLM API server version 0.32.0" in everything[0]
    assert tail.splitlines() == everything[-3:]


def test_logs_are_followed_until_the_server_ends(cli: Cli, serving: Background) -> None:
    def stop_once_followed() -> None:
        serving.do(lambda box: box.world.stop(next(iter(box.world.containers.values()))))

    timer = threading.Timer(0.2, stop_once_followed)
    timer.start()
    result = cli("logs", "sim-1", "-F", serving.config, "--tail", "1", "--follow")
    timer.join()
    assert result.code == 0
    assert result.out.splitlines()[-1] == "(APIServer pid=1) INFO:     Shutting down"


def test_what_others_run_is_never_stopped(cli: Cli, warm: Background) -> None:
    def theirs(box: Any) -> None:
        body = {"Image": "vllm/vllm-openai:v0.32.0", "Cmd": ["openai/gpt-oss-20b"]}
        box.world.start(box.world.create("theirs", body))

    warm.do(theirs)
    assert "theirs  " in cli("status", "sim-1", "-F", warm.config).out
    unnamed = cli("stop", "sim-1", "-F", warm.config, "--yes")
    assert unnamed.code == 7
    assert "There is no server on sim-1" in unnamed.err
    named = cli("stop", "sim-1", "theirs", "-F", warm.config, "--yes")
    assert named.code == 7
    assert "not launched by gptoss-tui" in named.err
    assert warm.do(lambda box: [c.state for c in box.world.containers.values()]) == ["running"]


def test_several_servers_must_be_named(cli: Cli, serving: Background) -> None:
    second = ("launch", "sim-1", "-F", serving.config, "-y", "--wait")
    assert cli(*second).code == 0
    listed = cli("status", "sim-1", "-F", serving.config, "--json").document
    found = [(i["name"], i["port"]) for i in listed["instances"]["body"]["instances"]]
    assert found == [("gpt-oss-20b", 8000), ("gpt-oss-20b-2", 8001)]
    result = cli("stop", "sim-1", "-F", serving.config, "--yes")
    assert result.code == 7
    assert "sim-1 has several servers: gpt-oss-20b, gpt-oss-20b-2." in result.err
    assert cli("stop", "sim-1", "gpt-oss-20b-2", "-F", serving.config, "--yes").code == 0
    assert cli(*second, "--gpu-ids", "0").code == 5  # its memory is taken
    forced = cli(*second, "--gpu-ids", "0", "--force")
    assert forced.code == 4
    assert "GPU 0 is taken by gpt-oss-20b." in forced.err


def test_plan_for_a_box_uses_what_is_free_there(cli: Cli, boxes: Callable[..., Any]) -> None:
    shared = boxes(Profile("shared", (L40S, L40S), foreign_mib=31_240))
    made = cli("plan", "sim-1", "-F", shared.config, "--json").document
    assert [gpu["index"] for gpu in made["request"]["gpus"]] == [0]
    too_big = cli("plan", "sim-1", "-F", shared.config, "--model", "120b")
    assert too_big.code == 5
    assert too_big.out.startswith("does not fit:")
    refused = cli("launch", "sim-1", "-F", shared.config, "--model", "120b", "--yes")
    assert refused.code == 5
    assert shared.do(lambda box: len(box.world.launches)) == 0
