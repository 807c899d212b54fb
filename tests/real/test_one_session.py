"""A real sshd with MaxSessions 1: commands take turns, and what cannot work says what is needed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gptoss_tui.domain.facts import Hub
from gptoss_tui.errors import CommandError
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from tests.real.box import RealBox
from tests.real.cli import Cli
from tests.real.faults import eventually, ours_on
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


async def gpus_until_refused(box: Box) -> int:
    """How many figures came before the stream was refused."""
    seen = []

    async def watch() -> None:
        async with aclosing(cast("Any", box.watch_gpus(Cadence()))) as facts:
            async for fact in facts:
                seen.append(fact)

    with pytest.raises(CommandError, match="MaxSessions 1") as refused:
        await watch()
    assert "sshd_config" in refused.value.next_step
    return len(seen)


async def test_a_stream_gives_way_to_commands(box: RealBox, tmp_path: Path) -> None:
    name = box.sshd(2402, MaxSessions="1")[0]
    options = FleetOptions(config_file=box.ssh_config, with_local=False)
    async with Fleet(Hub(lambda: datetime.now(UTC)), paths_in(tmp_path), options) as fleet:
        opened = await fleet.connect(name)
        streaming = asyncio.create_task(gpus_until_refused(opened), name="gpus")
        await eventually("it streams", lambda: any("dmon" in line for line in ours_on(box)), 30)
        report, listed = await asyncio.wait_for(
            asyncio.gather(opened.look(), opened.instances()), 15
        )
        assert len(report.body.gpus) == 2
        assert listed.body.instances == ()
        assert await streaming > 0
        # From now on nothing takes the session for long; each look has the figures still.
        assert await gpus_until_refused(opened) == 1
        done = await asyncio.gather(*(opened.gpus() for _ in range(5)))
        assert all(len(one.body.gpus) == 2 for one in done)
        await eventually("nothing of ours is left", lambda: not ours_on(box), 10)


def test_docker_by_commands_needs_two_and_says_so(box: RealBox, ssh: Cli) -> None:
    where = box.sshd(2403, MaxSessions="1", AllowStreamLocalForwarding="no")
    (fact,) = ssh.json("check", *where, code=1)
    assert ONE in str(fact["body"]["findings"])
