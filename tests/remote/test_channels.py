"""One connection, few channels: what a full dashboard takes, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gptoss_tui.domain.chat import ChatMessage, ChatRequest
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.errors import ConnectionLostError
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.ssh_transport import SESSIONS
from gptoss_tui.sim.profile import H100, Profile
from gptoss_tui.sim.server import MAX_SESSIONS, BoxServer, Counters
from tests.remote.support import (
    WARM,
    Rig,
    bodies,
    opened,
    serving,
    simulated,
    spec_on,
    taken,
    transport_of,
    until,
)

FAST_CADENCE = Cadence(period_s=0.02)


async def drawn(stream: AsyncIterator[Any], seen: dict[str, int], name: str) -> None:
    """Consume a stream as a pane does, and count what came."""
    async with opened(stream) as facts:
        async for _ in facts:
            seen[name] = seen.get(name, 0) + 1


async def polled(box: Box, seen: dict[str, int]) -> None:
    while True:
        await asyncio.gather(box.instances(), box.launches(), box.look())
        seen["polls"] = seen.get("polls", 0) + 1


def dashboard(box: Box, launch_id: str, seen: dict[str, int]) -> list[asyncio.Task[None]]:
    """Every stream that the app can have open on one box, twice over."""
    chat = ChatRequest(messages=(ChatMessage(role="user", content="Tell me of MXFP4"),))
    streams: dict[str, Callable[[], AsyncIterator[Any]]] = {
        "gpus": lambda: box.watch_gpus(Cadence()),
        "summary": lambda: box.watch_gpus(Cadence(period_s=0.02, detail="summary")),
        "engine": lambda: box.watch_engine("gpt-oss-20b", FAST_CADENCE),
        "logs": lambda: box.logs("gpt-oss-20b", follow=True),
        "launch": lambda: box.watch_launch(launch_id),
        "chat": lambda: box.chat("gpt-oss-20b", chat),
    }
    tasks = [
        asyncio.create_task(drawn(open_stream(), seen, f"{name} {copy}"))
        for copy in (1, 2)
        for name, open_stream in streams.items()
    ]
    return [*tasks, asyncio.create_task(polled(box, seen))]


async def ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_full_dashboard_is_one_connection_and_at_most_six_sessions(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=5.0) as rig:
        box, counters = await rig.box(), rig.sim.boxes[0].counters
        await serving(box, gpus=("0",))
        second = await spec_on(box, gpus=("1",))
        await box.launch(second, Secrets())
        seen: dict[str, int] = {}
        tasks = dashboard(box, second.launch_id, seen)
        await until(lambda: len(seen) == 13 and seen["polls"] >= 3, f"all streams flow: {seen}")
        assert (counters.connections, counters.logins) == (1, 1)
        assert 4 <= counters.peak_sessions <= SESSIONS == 6
        await ended(tasks)
        await until(lambda: counters.sessions == 0, "every session is closed")
        assert (await box.gpus()).body.gpus  # and the connection is as good as before


async def test_more_streams_than_slots_wait_their_turn(rig: Rig, box: Box) -> None:
    counters = rig.sim.boxes[0].counters
    held = [box.watch_gpus(Cadence()) for _ in range(SESSIONS)]
    for stream in held:
        await anext(stream)
        await anext(stream)  # the second figures are dmon's, which holds a session
    assert counters.sessions == SESSIONS
    waiting = asyncio.create_task(box.gpus())
    await until(lambda: bool(transport_of(box)._slots._waiters), "the query waits")
    assert not waiting.done()
    await taken(held[0], 1)  # closes that stream
    assert (await waiting).body.source == "query"
    assert counters.peak_sessions == SESSIONS
    for stream in held[1:]:
        await taken(stream, 1)
    await until(lambda: counters.sessions == 0, "every session is closed")


async def test_closing_early_leaks_no_slot(rig: Rig, box: Box) -> None:
    """Many more streams than there are slots, each left in the middle in another way."""
    counters = rig.sim.boxes[0].counters
    await serving(box)
    for _ in range(2 * SESSIONS):
        await taken(box.watch_gpus(Cadence()), 2)
        task = asyncio.create_task(drawn(box.watch_gpus(Cadence()), {}, "gpus"))
        await asyncio.sleep(0)
        task.cancel()  # before anything came
        await asyncio.gather(task, return_exceptions=True)
        await taken(box.logs("gpt-oss-20b", follow=True), 1)
        await taken(box.watch_engine("gpt-oss-20b", FAST_CADENCE), 1)
    await until(lambda: counters.sessions == 0, "every session is closed")
    assert transport_of(box)._slots._value == SESSIONS
    assert counters.peak_sessions <= SESSIONS


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_cancelling_at_any_moment_leaks_no_slot(rig: Rig, box: Box, turns: int) -> None:
    counters = rig.sim.boxes[0].counters
    tasks = [asyncio.create_task(box.gpus()) for _ in range(8)]
    for _ in range(turns):
        await asyncio.sleep(0)
    await ended(tasks)
    await until(lambda: counters.sessions == 0, "every session is closed")
    await until(lambda: transport_of(box)._slots._value == SESSIONS, "every slot is back")
    assert (await box.gpus()).body.gpus


@pytest.mark.parametrize("turns", [1, 3, 6, 10])
async def test_hurried_openings_never_exceed_the_budget(rig: Rig, box: Box, turns: int) -> None:
    """A user who flips through boxes: each opening is abandoned while it is under way."""
    counters = rig.sim.boxes[0].counters
    abandoned: list[asyncio.Task[Any]] = []
    for _ in range(6):
        tasks = [asyncio.create_task(box.gpus()) for _ in range(SESSIONS)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        abandoned += tasks
    await asyncio.gather(*abandoned, return_exceptions=True)
    assert (await box.gpus()).body.gpus
    await until(lambda: counters.sessions == 0, "every session is closed")
    assert counters.peak_sessions <= SESSIONS


async def test_closing_the_box_leaves_nothing_on_it(tmp_path: Path) -> None:
    async with simulated(tmp_path) as rig:
        box, counters = await rig.box(), rig.sim.boxes[0].counters
        await serving(box)
        seen: dict[str, int] = {}
        tasks = [
            asyncio.create_task(drawn(box.watch_gpus(Cadence()), seen, "gpus")),
            asyncio.create_task(drawn(box.logs("gpt-oss-20b", follow=True), seen, "logs")),
        ]
        await until(lambda: len(seen) == 2, "both streams flow")
        await box.aclose()
        await until(lambda: (counters.open, counters.sessions) == (0, 0), "the box is left")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [ConnectionLostError] * 2
        assert rig.sim.boxes[0].world.containers  # the server itself goes on


async def test_the_box_refuses_more_sessions_than_openssh_does(rig: Rig) -> None:
    box = rig.sim.boxes[0]
    async with asyncssh.connect(
        "sim-1", config=[str(rig.sim.ssh_config)], known_hosts=str(rig.sim.known_hosts)
    ) as connection:
        dmon = [
            await connection.create_process("nvidia-smi dmon", encoding=None)
            for _ in range(MAX_SESSIONS)
        ]
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process("true")
        assert box.counters.sessions == MAX_SESSIONS == 10
        dmon[0].close()
        await dmon[0].wait_closed()
        await until(lambda: box.counters.sessions == MAX_SESSIONS - 1, "one is free again")
        assert (await connection.run("echo room again")).stdout == "room again\n"


async def test_a_refused_channel_names_max_sessions(
    rig: Rig, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoxServer, "session_requested", lambda server: False)
    with pytest.raises(ConnectionLostError) as caught:
        await box.gpus()
    assert "sim-1 refused another channel" in caught.value.message
    assert "MaxSessions" in caught.value.next_step
    monkeypatch.undo()
    assert (await box.gpus()).body.gpus


async def test_without_socket_forwarding_docker_is_reached_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(server: BoxServer, dest_path: str) -> Any:
        raise asyncssh.ChannelOpenError(
            asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "forwarding is off"
        )

    monkeypatch.setattr(BoxServer, "unix_connection_requested", forbidden)
    async with simulated(tmp_path) as rig:
        box, counters = await rig.box(), rig.sim.boxes[0].counters
        report = (await box.look()).body
        await serving(box)
        lines = await bodies(box.logs("gpt-oss-20b", tail=1))
        streams = [box.logs("gpt-oss-20b", tail=1, follow=True) for _ in range(3)]
        for stream in streams:
            await anext(stream)
        assert (await box.gpus()).body.gpus
        assert [i.state for i in (await box.instances()).body.instances] == ["ready"]
        for stream in streams:
            await _closed(stream)
        peak = counters.peak_sessions
    assert report.docker is not None
    assert report.docker.via == "dial-stdio"
    fallback = next(f for f in report.findings if f.code == "docker_fallback")
    assert "AllowStreamLocalForwarding" in fallback.do
    assert "startup complete" in lines[0].text
    assert peak <= SESSIONS


async def test_a_place_that_may_not_be_forwarded_to_says_nothing_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `PermitOpen 127.0.0.1:*`: a cloud's metadata service is asked as well."""
    allowed = BoxServer.connection_requested

    def narrow(server: BoxServer, dest_host: str, *rest: Any) -> Any:
        if dest_host != "127.0.0.1":
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no")
        return allowed(server, dest_host, *rest)

    monkeypatch.setattr(BoxServer, "connection_requested", narrow)
    async with simulated(tmp_path) as rig:
        box, counters = await rig.box(), rig.sim.boxes[0].counters
        await serving(box)
        transport = transport_of(box)
        await (await transport.open_tcp("169.254.169.254", 80)).aclose()
        await until(lambda: counters.sessions <= 1, "only the guard is left")
        assert (await box.engine("gpt-oss-20b")).body.healthy
        assert transport._not_forwarded == {"169.254.169.254"}


async def _closed(stream: AsyncIterator[Any]) -> None:
    async with opened(stream):
        pass


async def test_counters_start_at_nothing(tmp_path: Path) -> None:
    async with simulated(tmp_path, WARM, Profile("other", (H100,))) as rig:
        await (await rig.box(1)).look()
        assert rig.sim.boxes[1].counters == Counters()
        assert rig.sim.boxes[0].counters.connections == 1
