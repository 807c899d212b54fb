"""A real vLLM that is stopped while it answers: a drain cuts no answer, and `--now` cuts them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.real import streams
from tests.real.box import RealBox
from tests.real.cli import Cli, Document

pytestmark = pytest.mark.timeout(900)  # a real vLLM loads twice
LAUNCH_S = 400
PORT = 8000
USERS = 50
TOKENS = 30


class Clients:
    """`streams.py` in the box: its answers stream when this is there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self._out = process.stdout
        assert self._out.readline() == "streaming\n"

    def ends(self) -> list[tuple[str, int]]:
        return [(end, pieces) for end, pieces in json.loads(self._out.readline())]


@contextmanager
def clients(box: RealBox, count: int, tokens: int) -> Iterator[Clients]:
    program = str(Path(streams.__file__))
    argv = box.enter(sys.executable, "-S", program, str(PORT), str(count), str(tokens))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        try:
            yield Clients(process)
        finally:
            process.kill()


def figures(documents: list[Document]) -> list[Document]:
    return [one["body"] for one in documents if one.get("body", {}).get("kind") == "drain"]


def test_a_drain_cuts_no_answer_and_now_cuts_them(box: RealBox, ssh: Cli) -> None:
    where = ("box", "-F", str(box.ssh_config))
    launched = ssh.json("launch", *where, "--yes", "--wait", timeout_s=LAUNCH_S)
    assert launched[-1]["body"]["state"] == "ready"

    # As many as fit: they still stream when a slow machine has begun to stop the server.
    with clients(box, 3, tokens=3500) as cut:
        told = ssh.json("restart", *where, "--now", "--wait", timeout_s=LAUNCH_S)
        assert told[0] == {"warning": "3 requests run and are cut now.", "requests": 3}
        assert told[-1]["body"]["text"].endswith("3 requests were cut.")
        assert figures(told) == []
        ends = cut.ends()
    assert len(ends) == 3
    assert all(end in ("broken off", "abort") for end, _ in ends), ends

    with clients(box, USERS, tokens=TOKENS) as kept:
        told = ssh.json("stop", *where, timeout_s=200)
        assert told[-1]["body"]["text"] == "gpt-oss-20b was stopped and its container removed."
        ends = kept.ends()
    assert ends == [("length", TOKENS)] * USERS
    seen = figures(told)
    assert seen, told
    assert seen[0]["running"] + seen[0]["waiting"] > 0
    assert all(one["refuses_new"] and 0 <= one["left_s"] <= 60 for one in seen)
    assert box.containers() == []
