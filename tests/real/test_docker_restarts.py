"""Docker itself is restarted, or killed and started again, while the app watches a server in it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.instance import InstanceList, LogLine
from gptoss_tui.domain.serving import EngineSnapshot
from tests.real import faults
from tests.real.as_app import INSTANCES_S, AppBox, as_app
from tests.real.box import RealBox
from tests.real.faults import TALKER, eventually

# A server whose log is numbers, which go on where they were after it was started again.
SCRIPT = """
trap 'exit 0' TERM
vllm serve openai/gpt-oss-20b >/dev/null 2>&1 &
i=$(cat /number 2>/dev/null || echo 0)
while :; do echo "$i"; i=$((i + 1)); echo "$i" >/number; sleep 0.1; done
"""


@pytest.fixture
def serving(box: RealBox) -> Iterator[RealBox]:
    box.docker("pull", "-q", "lab/small:1")
    box.docker("tag", "lab/small:1", "vllm/vllm-openai:talker")
    box.docker(
        # A killed daemon takes what it then finds running for stopped by hand, but for "always".
        *("run", "-d", "--restart=always", "--stop-timeout=2", f"--name={TALKER}"),
        *("-p", "127.0.0.1:8000:8000", "--entrypoint=/bin/sh"),
        *("vllm/vllm-openai:talker", "-c", SCRIPT),
    )
    try:
        yield box
    finally:
        faults.start_docker(box)


class Told:
    """What was said of the server and its box, in its order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.claims: list[str] = []

    def take(self, fact: AnyFact) -> None:
        body = fact.body
        if isinstance(body, LogLine) and not body.ours:
            self.lines.append(body.text)
        elif isinstance(body, InstanceList):
            self.claims += [one.state for one in body.instances] or ["no server"]
        elif isinstance(body, EngineSnapshot):
            self.claims.append("answers" if body.healthy else "silent")


async def test_docker_goes_and_comes_back(serving: RealBox, tmp_path: Path) -> None:
    log = serving.log_of_sshd()
    async with as_app(serving.ssh_config, tmp_path, "box") as (watched,):
        told = Told()
        watched.hub.tap(told.take)
        for number in (signal.SIGTERM, signal.SIGKILL):
            await goes(serving, watched, told, number)
            await asyncio.to_thread(faults.start_docker, serving)
            await watched.flows(60)
            # The last look at the engine may be one of before its port was there.
            await eventually("told as it is", lambda: told.claims[-1] in ("ready", "answers"), 30)
        await asyncio.to_thread(serving.docker, "stop", TALKER)
        written = serving.docker("logs", TALKER).splitlines()
        await eventually("all lines", lambda: told.lines[-1:] == written[-1:], 30)
        first = written.index(told.lines[0])
        assert told.lines == written[first:]
        assert watched.seen.losses == 0
    assert log.count("^Accepted publickey") == 1  # the connection had nothing to do with it
    await faults.nothing_left(serving, 10)


async def goes(box: RealBox, watched: AppBox, told: Told, number: signal.Signals) -> None:
    """The daemon is gone for longer than it takes to look for it again."""
    await asyncio.to_thread(faults.stop_docker, box, number)
    await asyncio.sleep(1)  # what was on its way
    told.claims.clear()
    # A killed daemon leaves its containers, but the ways to their ports end with it.
    await eventually("the engine is told of", lambda: told.claims, 30)
    await asyncio.sleep(INSTANCES_S + 1)
    assert set(told.claims) == {"silent"}
    assert watched.seen.phase == "up"
