"""A real sshd with MaxSessions 1: commands take turns, and what cannot work says what is needed."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.remote.box import Cadence
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from tests.app.support import at_app
from tests.real.box import RealBox
from tests.real.cli import Cli
from tests.real.faults import TALKER, eventually, ours_on, talk
from tests.real.waiting import until
from tests.remote.support import paths_in

SMALL = ("--image", "lab/small:1", "--yes")
ONE = "allows one session at a time (MaxSessions 1)"


def test_the_main_job_with_one_session(box: RealBox, ssh: Cli) -> None:
    where = box.sshd(2401, MaxSessions="1")
    ssh.json("check", *where)
    ssh.json("launch", *where, *SMALL)

    def states() -> list[str]:
        (status,) = ssh.json("status", *where)
        assert len(status["gpus"]["body"]["gpus"]) == 2
        return [one["state"] for one in status["instances"]["body"]["instances"]]

    until("it is ready", lambda: states() == ["ready"], 100)
    assert ssh.json("logs", *where)[0]["body"]["text"] == "small server up"
    ssh.json("stop", *where)
    assert box.containers() == []


def test_a_launch_is_waited_for_and_its_log_followed(box: RealBox, ssh: Cli) -> None:
    where = box.sshd(2404, MaxSessions="1")
    told = ssh.json("launch", *where, *SMALL, "--wait")
    states = [one["body"]["state"] for one in told if "body" in one]
    assert states[-1] == "ready"
    assert len(states) > 2
    follow = ssh.start("logs", *where, "-f", "--json")
    assert follow.stdout is not None
    assert json.loads(follow.stdout.readline())["body"]["text"] == "small server up"
    # It takes no session: what is asked meanwhile is answered.
    (status,) = ssh.json("status", *where)
    assert [one["state"] for one in status["instances"]["body"]["instances"]] == ["ready"]
    assert follow.poll() is None


@pytest.mark.parametrize(("allowed", "said"), [("1", "one session"), ("2", "2 sessions")])
def test_check_tells_of_few_sessions(box: RealBox, ssh: Cli, allowed: str, said: str) -> None:
    where = box.sshd(2405, MaxSessions=allowed)
    (fact,) = ssh.json("check", *where)
    (fallback,) = fact["ssh"]["fallbacks"]
    assert said in fallback
    assert f"MaxSessions {allowed}" in fallback


def test_check_says_nothing_of_enough_sessions(box: RealBox, ssh: Cli) -> None:
    (fact,) = ssh.json("check", *box.sshd(2406, MaxSessions="3"))
    assert fact["ssh"]["fallbacks"] == []


async def test_a_stream_gives_way_to_commands(box: RealBox, tmp_path: Path) -> None:
    name = box.sshd(2402, MaxSessions="1")[0]
    options = FleetOptions(config_file=box.ssh_config, with_local=False)
    async with Fleet(Hub(lambda: datetime.now(UTC)), paths_in(tmp_path), options) as fleet:
        opened = await fleet.connect(name)
        sources: list[str | None] = []

        async def watch() -> None:
            async with aclosing(cast("Any", opened.watch_gpus(Cadence()))) as facts:
                async for fact in facts:
                    sources.append(fact.body.source)

        streaming = asyncio.create_task(watch(), name="gpus")
        try:
            await eventually("it streams", lambda: "dmon" in sources, 30)
            report, listed = await asyncio.wait_for(
                asyncio.gather(opened.look(), opened.instances()), 15
            )
            assert len(report.body.gpus) == 2
            assert listed.body.instances == ()
            # From now on nothing takes the session for long, and there are figures still.
            before = len(sources)
            await eventually("more figures", lambda: len(sources) > before + 2, 30)
            assert set(sources[before + 1 :]) == {"query"}
            done = await asyncio.gather(*(opened.gpus() for _ in range(5)))
            assert all(len(one.body.gpus) == 2 for one in done)
        finally:
            streaming.cancel()
            await asyncio.gather(streaming, return_exceptions=True)
        await eventually("nothing of ours is left", lambda: not ours_on(box), 10)


async def test_the_app_with_one_session(
    box: RealBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path))
    name = box.sshd(2407, MaxSessions="1")[0]
    talk(box)
    config = tmp_path / "ssh_config"
    address, port = f"HostName {box.address}", f"Port {name.partition(':')[2]}"
    config.write_text(f"Host small\n  {address}\n  {port}\n{box.ssh_config.read_text()}")
    options = FleetOptions(config_file=config, with_local=False)
    figures: list[float] = []
    hub = Hub(lambda: datetime.now(UTC))
    hub.tap(lambda fact: figures.append(time.monotonic()) if is_figure(fact) else None)
    async with Fleet(hub, paths_in(tmp_path), options) as fleet:
        await fleet.connect("small")
        async with at_app(fleet, (140, 45)) as operator:
            await operator.press("enter")
            await operator.sees("● connected", TALKER, seconds=60)
            # Figures come every few seconds, and none is old.
            before = len(figures)
            await operator.until(lambda: len(figures) > before + 5, "more figures", 40)
            assert figures[-1] - figures[-5] < 25
            assert not [told for told in operator.told if "refused another channel" in told]


def is_figure(fact: AnyFact) -> bool:
    return isinstance(fact.body, GpuSnapshot)


def test_docker_by_commands_needs_two_and_says_so(box: RealBox, ssh: Cli) -> None:
    where = box.sshd(2403, MaxSessions="1", AllowStreamLocalForwarding="no")
    (fact,) = ssh.json("check", *where, code=1)
    assert ONE in str(fact["body"]["findings"])
