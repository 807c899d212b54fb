"""The budget of sessions: streams leave room for commands, and a smaller MaxSessions is enough."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

import pytest

from gptoss_tui.errors import CommandError, DockerError
from gptoss_tui.remote import launch_watch, scripts
from gptoss_tui.remote.engine_clients import EngineClients
from gptoss_tui.remote.servers import Servers
from gptoss_tui.remote.ssh_transport import SESSIONS, SshTransport
from gptoss_tui.sim import server as sim_server
from tests.remote.support import FAST, alive, simulated, spec_on, transport_of, until


async def test_a_box_that_allows_fewer_sessions_gets_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim_server, "MAX_SESSIONS", 2)
    async with simulated(tmp_path) as rig:
        transport = transport_of(await rig.box())
        done = await asyncio.gather(*(transport.run(("hostname",)) for _ in range(8)))
        assert {one.stdout for one in done} == {b"warm\n"}
        assert rig.sim.boxes[0].counters.peak_sessions == 2
        done = await asyncio.gather(*(transport.run(("hostname",)) for _ in range(8)))
        assert len(done) == 8


async def test_waiting_for_a_session_has_an_end(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=1.0) as rig:
        transport = transport_of(await rig.box())
        streams = [transport.follow(("nvidia-smi", "dmon")) for _ in range(SESSIONS)]
        for stream in streams:
            await stream.__aenter__()
        with pytest.raises(CommandError, match="did not end in 0 s"):
            await transport.run(("hostname",), timeout_s=0.2)
        for stream in streams:
            await stream.__aexit__(None, None, None)
        assert (await transport.run(("hostname",))).stdout == b"warm\n"


async def test_streams_through_commands_leave_room_for_commands(tmp_path: Path) -> None:
    async with simulated(tmp_path) as rig:
        transport = transport_of(await rig.box())
        assert isinstance(transport, SshTransport)
        dial = ("docker", "system", "dial-stdio")
        opening = [asyncio.create_task(transport.open_exec(dial)) for _ in range(SESSIONS + 2)]
        assert (await transport.run(("hostname",))).stdout == b"warm\n"
        # As soon as one of them is closed, the next one that waits is opened.
        while opening:
            done, _ = await asyncio.wait(opening, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                await one.result().aclose()
            opening = [one for one in opening if one not in done]
        counters = rig.sim.boxes[0].counters
        await until(lambda: counters.sessions <= 1, "only the guard is left")


async def test_a_docker_that_does_not_say_is_not_an_empty_box(tmp_path: Path) -> None:
    async def broken() -> None:
        raise DockerError("The conversation with Docker broke off.")

    async with simulated(tmp_path, speed=FAST) as rig:
        transport = transport_of(await rig.box())
        servers = Servers(transport, broken, lambda: None, EngineClients(transport))  # type: ignore[arg-type]
        with pytest.raises(DockerError):
            await servers.all()


async def test_a_helper_that_was_killed_is_a_launch_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_watch, "_CHECK_S", 0.02)
    from gptoss_tui.domain.launch import Secrets

    async with simulated(tmp_path, speed=0.001) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        launch = rig.sim.boxes[0].world.launches[spec.launch_id]
        launch.alive = False
        states = [fact.body async for fact in box.watch_launch(spec.launch_id)]
    assert states[-1].state == "failed"
    assert "ended without a word" in states[-1].error


async def test_the_watch_ends_what_the_program_started(tmp_path: Path) -> None:
    marks = tmp_path / "pids"
    program = (
        f"sleep 1000 & echo $! $$ >{shlex.quote(str(marks))}.part; mv {marks}.part {marks}; wait"
    )
    watch = await asyncio.create_subprocess_exec(
        *scripts.command("watch", "sh", "-c", program),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    await until(marks.exists, "the program says that it runs")
    assert watch.stdin is not None
    watch.stdin.close()  # nobody watches any more
    await asyncio.wait_for(watch.wait(), 20)
    # A process that was sent its signal is gone a moment later.
    pids = [int(pid) for pid in marks.read_text().split()]
    await until(lambda: not any(alive(pid) for pid in pids), "both have ended")
