"""The whole job with a real vLLM behind it, by the headless commands."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.real.box import RealBox
from tests.real.cli import Cli, Document
from tests.real.waiting import until

pytestmark = pytest.mark.timeout(500)  # the first pull, and twice the loading of a real vLLM
LAUNCH_S = 400
MODEL = "openai/gpt-oss-20b"
ANSWER = "Hello! This server runs, ask me something else whenever you like."
API_KEY, HF_TOKEN = "sk-lab-0123456789", "hf_lab0123456789"


def launched(cli: Cli, where: tuple[str, ...], *words: str) -> list[Document]:
    documents = cli.json("launch", *where, "--yes", "--wait", *words, timeout_s=LAUNCH_S)
    assert documents[-1]["body"]["state"] == "ready"
    return documents


def text_of(facts: list[Document], channel: str) -> str:
    bodies = (fact["body"] for fact in facts)
    return "".join(body["text"] for body in bodies if body.get("channel") == channel)


def test_the_main_job_over_ssh(box: RealBox, ssh: Cli) -> None:
    where = ("box", "-F", str(box.ssh_config))
    ssh.json("check", *where)
    (plan,) = ssh.json("plan", *where)
    assert plan["verdict"] == "fits", plan

    seen = box.log_of_sshd()
    facts = launched(ssh, where)
    assert seen.count("^Connection from") == seen.count("^Accepted publickey") == 1
    assert seen.most_sessions_at_once() <= 6
    phases = {phase["name"]: phase for phase in facts[-1]["body"]["phases"]}
    assert phases["load"]["state"] == phases["warmup"]["state"] == "done", phases

    (status,) = ssh.json("status", *where)
    engine = status["engines"]["gpt-oss-20b"]["body"]
    assert (engine["healthy"], engine["running"], engine["waiting"]) == (True, 0, 0)
    assert engine["kv_cache_tokens"] > 0

    answer = ssh.json("chat", *where, "-p", "Say hello")
    assert text_of(answer, "answer") == ANSWER
    assert text_of(answer, "reasoning").startswith("Greetings deserve")
    assert answer[-1]["body"]["finish_reason"] == "stop"
    assert answer[-1]["body"]["completion_tokens"] > 20

    log = ssh.json("logs", *where, "--tail", "0")
    assert any("Application startup complete" in fact["body"]["text"] for fact in log)
    assert_private(box)
    assert_forwarded(ssh, where)

    (stopped,) = ssh.json("stop", *where)
    assert "gpt-oss-20b was stopped" in stopped["body"]["text"]
    assert box.containers() == []


def assert_private(box: RealBox) -> None:
    """Nothing but the test's own sshd listens on an address that others can reach."""
    listening = [line.split()[3] for line in box.run("ss", "-Hltn").splitlines()]
    public = [a for a in listening if not a.startswith(("127.0.0.1:", "[::1]:"))]
    assert public == [f"{box.address}:22"]


def assert_forwarded(ssh: Cli, where: tuple[str, ...]) -> None:
    client = ssh.start("forward", *where, "--json")
    assert client.stdout is not None
    opened = json.loads(client.stdout.readline())
    with urllib.request.urlopen(f"{opened['base_url']}/models", timeout=60) as reply:
        assert [model["id"] for model in json.load(reply)["data"]] == [MODEL]
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    assert f"127.0.0.1:{opened['port']} " in listening
    client.terminate()
    client.communicate(timeout=60)


def test_the_main_job_on_the_box_itself_with_secrets(
    box: RealBox, local: Cli, tmp_path: Path
) -> None:
    key, token = tmp_path / "key", tmp_path / "token"
    key.write_text(API_KEY)
    token.write_text(HF_TOKEN)
    local.json("check", "local")
    local.json("plan", "local")
    secrets = ("--api-key-file", str(key), "--hf-token-file", str(token))
    documents = launched(local, ("local",), *secrets, "--name", "mine")

    answer = local.json("chat", "local", "-p", "Say hello", "--api-key-file", str(key))
    assert text_of(answer, "answer") == ANSWER
    (refused,) = local.json("chat", "local", "-p", "Say hello", code=8)
    assert refused["error"]["status"] == 401

    logs = local.json("logs", "local", "--tail", "0")
    (status,) = local.json("status", "local")
    assert [i["name"] for i in status["instances"]["body"]["instances"]] == ["mine"]
    handed = {"api_key": (API_KEY, 0o400), "hf_token": (HF_TOKEN, 0o400)}
    assert box.handed_over("mine") == handed
    told = json.dumps([documents, logs, status]) + box.docker("inspect", "mine")
    told += box.docker("logs", "mine") + "\n".join(box.processes())
    assert API_KEY not in told
    assert HF_TOKEN not in told
    assert_no_file_holds_a_secret(box)

    local.json("stop", "local", "mine")
    assert box.containers() == []


def assert_no_file_holds_a_secret(box: RealBox) -> None:
    """Once handed over, the helper's own files hold none any more, and they are its user's alone."""
    launches = box.home / ".local/state/gptoss-tui/launches"
    files = [file for file in launches.rglob("*") if file.is_file()]
    assert files
    for file in files:
        content = file.read_bytes()
        assert API_KEY.encode() not in content, file
        assert HF_TOKEN.encode() not in content, file
        assert file.stat().st_mode & 0o077 == 0, file
    assert launches.stat().st_mode & 0o077 == 0
    until(
        "the claims are given back", lambda: not list((box.folder / "var_tmp/gptoss-tui").iterdir())
    )
