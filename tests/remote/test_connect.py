"""Connecting: host keys, refusals and silence, each as a sentence; and the loss of a connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gptoss_tui.domain.chat import ChatMessage, ChatRequest
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.errors import (
    AuthError,
    BoxError,
    ChangedHostKeyError,
    ConnectionLostError,
    UnknownHostKeyError,
    UnknownNameError,
    UnreachableError,
)
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.sim.run import SimFleet
from tests.remote.support import (
    Rig,
    cut,
    fleet_of,
    opened,
    replaced,
    server_sides,
    serving,
    simulated,
    spec_on,
    until,
)


async def refused(sim: SimFleet, folder: Path, name: str = "sim-1") -> BoxError:
    """The error that connecting ends with; nothing stays connected."""
    async with fleet_of(sim, folder) as fleet:
        with pytest.raises(BoxError) as caught:
            await fleet.connect(name)
        assert fleet.box(name) is None
    assert caught.value.exit_code == 3
    assert caught.value.message.endswith(".")
    assert caught.value.next_step
    return caught.value


async def test_an_unknown_key_is_shown_and_can_be_accepted(rig: Rig, tmp_path: Path) -> None:
    rig.sim.known_hosts.write_text("")
    box = rig.sim.boxes[0]
    async with fleet_of(rig.sim, tmp_path) as fleet:
        with pytest.raises(UnknownHostKeyError) as caught:
            await fleet.connect("sim-1")
        error = caught.value
        assert error.fingerprint == box.host_key.get_fingerprint()
        assert error.fingerprint.startswith("SHA256:")
        assert (error.host, error.port) == ("127.0.0.1", box.port)
        assert error.fingerprint in error.message
        assert "--accept-new" in error.next_step
        assert box.counters.logins == 0
        fleet.accept_host_key(error)
        assert (await (await fleet.connect("sim-1")).look()).body.hostname == "warm"
    assert rig.sim.known_hosts.read_text() == ""  # the user's own file is never written
    own = tmp_path / "data" / "known_hosts"
    assert own.read_text() == error.key
    assert own.stat().st_mode & 0o077 == 0


async def test_accept_new_takes_an_unknown_key_and_keeps_it(rig: Rig, tmp_path: Path) -> None:
    rig.sim.known_hosts.write_text("")
    async with fleet_of(rig.sim, tmp_path, accept_new=True) as fleet:
        await fleet.connect("sim-1")
    async with fleet_of(rig.sim, tmp_path) as fleet:
        assert (await fleet.connect("sim-1")).link.phase == "up"


@pytest.mark.parametrize("accept_new", [False, True])
async def test_a_changed_key_is_refused_always(rig: Rig, tmp_path: Path, accept_new: bool) -> None:
    box = rig.sim.boxes[0]
    other = asyncssh.generate_private_key("ssh-ed25519")
    algorithm, blob, *_ = other.export_public_key("openssh").decode().split()
    rig.sim.known_hosts.write_text(f"# mine\n[127.0.0.1]:{box.port} {algorithm} {blob}\n")
    async with fleet_of(rig.sim, tmp_path, accept_new=accept_new) as fleet:
        with pytest.raises(ChangedHostKeyError) as caught:
            await fleet.connect("sim-1")
    assert "has CHANGED" in caught.value.message
    assert other.get_fingerprint() in caught.value.message
    assert box.host_key.get_fingerprint() in caught.value.message
    assert f"{rig.sim.known_hosts} line 2" in caught.value.message
    assert f"ssh-keygen -R '[127.0.0.1]:{box.port}'" in caught.value.next_step
    assert box.counters.logins == 0


async def test_a_config_cannot_switch_the_check_off(rig: Rig, tmp_path: Path) -> None:
    text = rig.sim.ssh_config.read_text()
    config = text.replace(str(rig.sim.known_hosts), "/dev/null")
    rig.sim.ssh_config.write_text(config + "    StrictHostKeyChecking no\n")
    assert isinstance(await refused(rig.sim, tmp_path), UnknownHostKeyError)


async def test_a_refused_key_names_what_to_check(rig: Rig, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(rig.sim.key_file)
    error = await refused(rig.sim, tmp_path)
    assert isinstance(error, AuthError)
    assert "ssh-add -l, IdentityFile, -i KEY" in error.next_step
    assert rig.sim.boxes[0].counters.logins == 0


async def test_an_unreadable_key_is_a_sentence(rig: Rig, tmp_path: Path) -> None:
    rig.sim.key_file.write_text("no key at all\n")
    assert isinstance(await refused(rig.sim, tmp_path), AuthError)


async def test_a_closed_port_is_unreachable(rig: Rig, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    old = f"Port {rig.sim.boxes[0].port}"
    text = rig.sim.ssh_config.read_text().replace(old, f"Port {closed}")
    rig.sim.ssh_config.write_text(text)
    error = await refused(rig.sim, tmp_path)
    assert isinstance(error, UnreachableError)
    assert "refused" in error.message.lower()
    assert "is its SSH port right?" in error.next_step


async def test_a_port_without_ssh_is_no_box(rig: Rig, tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    text = rig.sim.ssh_config.read_text().replace(f"Port {rig.sim.boxes[0].port}", f"Port {port}")
    rig.sim.ssh_config.write_text(text)
    error = await refused(rig.sim, tmp_path)
    server.close()
    await server.wait_closed()
    assert isinstance(error, UnreachableError)
    assert "during the handshake" in error.message


async def test_a_name_that_resolves_to_nothing(rig: Rig, tmp_path: Path) -> None:
    error = await refused(rig.sim, tmp_path, "no-such-box.invalid")
    assert isinstance(error, UnknownNameError)
    assert "no-such-box.invalid" in error.message
    assert "user@host:port" in error.next_step


async def test_one_connection_serves_a_box_however_often_it_is_asked_for(rig: Rig) -> None:
    boxes = await asyncio.gather(*(rig.fleet.connect("sim-1") for _ in range(5)))
    assert len({id(box) for box in boxes}) == 1
    assert rig.sim.boxes[0].counters.connections == 1


async def test_a_lost_box_connects_anew(rig: Rig, box: Box) -> None:
    cut(box)
    await until(lambda: box.link.phase == "lost", "the loss is noticed")
    again = await rig.fleet.connect("sim-1")
    assert again is not box
    assert (again.link.phase, box.link.phase) == ("up", "lost")
    assert (await again.look()).body.hostname == "warm"


@pytest.mark.parametrize("relative", [False, True])
async def test_a_pasted_ssh_line_is_remembered_and_connects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    async with simulated(tmp_path) as rig:
        box = rig.sim.boxes[0]
        if relative:
            monkeypatch.chdir(rig.sim.key_file.parent)
        key = rig.sim.key_file.name if relative else rig.sim.key_file
        entry = rig.fleet.add(f"ssh root@127.0.0.1 -p {box.port} -i {key}")
        monkeypatch.chdir(tmp_path)
        assert entry.source == "remembered"
        rig.fleet.accept_host_key(_key_of(rig))
        connected = await rig.fleet.connect(entry.name)
        assert connected.ssh_target == (
            f"-F {rig.sim.ssh_config} -p {box.port} -i {rig.sim.key_file} root@127.0.0.1"
        )
        assert (await connected.look()).body.hostname == "warm"
        assert [entry.name for entry in rig.fleet.candidates()] == [
            f"127.0.0.1:{box.port}",
            "sim-1",
        ]


def _key_of(rig: Rig) -> UnknownHostKeyError:
    line = rig.sim.known_hosts.read_text()
    box = rig.sim.boxes[0]
    return UnknownHostKeyError("", host=box.host, port=box.port, fingerprint="", key=line)


async def test_several_boxes_are_several_connections(tmp_path: Path) -> None:
    async with simulated(tmp_path, kinds=None, boxes=3) as rig:
        boxes = await asyncio.gather(*(rig.box(number) for number in (1, 2, 3)))
        facts = await asyncio.gather(*(box.look() for box in boxes))
        await rig.fleet.disconnect("sim-2")
        assert rig.fleet.box("sim-2") is None
        assert (await boxes[2].gpus()).body.gpus
    names = [fact.body.hostname for fact in facts]
    assert names == ["h100-2x-1", "rtx4090-2", "h100-8x-3"]
    assert [box.counters.connections for box in rig.sim.boxes] == [1, 1, 1]


def _chat(box: Box) -> AsyncIterator[Any]:
    message = ChatMessage(role="user", content="Tell me of MXFP4")
    return box.chat("gpt-oss-20b", ChatRequest(messages=(message,)))


STREAMS: dict[str, Callable[[Box], AsyncIterator[Any]]] = {
    "dmon": lambda box: box.watch_gpus(Cadence()),
    "summary": lambda box: box.watch_gpus(Cadence(period_s=0.01, detail="summary")),
    "engine": lambda box: box.watch_engine("gpt-oss-20b", Cadence(period_s=0.01)),
    "logs": lambda box: box.logs("gpt-oss-20b", follow=True),
    "chat": _chat,
}


@pytest.mark.parametrize("name", STREAMS)
async def test_every_stream_ends_with_the_connection(tmp_path: Path, name: str) -> None:
    async with simulated(tmp_path, speed=20.0) as rig:
        box = await rig.box()
        await serving(box)
        with pytest.raises(ConnectionLostError) as caught:
            await _drained(box, STREAMS[name](box))
    assert "The connection to sim-1 was lost." in caught.value.message
    assert "Connect again" in caught.value.next_step


async def _drained(box: Box, stream: AsyncIterator[Any]) -> None:
    async with asyncio.timeout(5), opened(stream) as facts:
        async for _ in facts:
            cut(box)


async def test_every_call_on_a_lost_box_says_so(box: Box) -> None:
    spec = replaced(await serving(box), name="second", port=8001)
    cut(box)
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "look": box.look,
        "gpus": box.gpus,
        "instances": box.instances,
        "launches": box.launches,
        "engine": lambda: box.engine("gpt-oss-20b"),
        "launch": lambda: box.launch(spec, Secrets()),
        "cancel": lambda: box.cancel("x"),
        "stop": lambda: box.stop("gpt-oss-20b"),
        "forward": lambda: box.forward("gpt-oss-20b").__aenter__(),
    }
    wrong: dict[str, str] = {}
    for name, call in calls.items():
        try:
            result: Any = await call()
            wrong[name] = repr(result)
        except ConnectionLostError:
            continue
        except Exception as error:
            wrong[name] = repr(error)
    assert wrong == {}


async def test_the_box_goes_away_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same from the other side: the machine is switched off."""
    sides = server_sides(monkeypatch)
    async with simulated(tmp_path) as rig:
        box = await rig.box()
        async with opened(box.watch_gpus(Cadence())) as facts:
            assert [(await anext(facts)).body.source for _ in range(2)] == ["query", "dmon"]
            sides[0].abort()
            with pytest.raises(ConnectionLostError):
                [fact async for fact in facts]
        assert box.link.phase == "lost"


async def test_a_jump_host_that_cannot_reach_the_box_says_so(tmp_path: Path) -> None:
    async with simulated(tmp_path, kinds=None, boxes=2) as rig:
        config = rig.sim.ssh_config.read_text()
        rig.sim.ssh_config.write_text(config + "    ProxyJump sim-1\n")  # of sim-2, the last one
        error = await refused(rig.sim, tmp_path, "sim-2")
        assert isinstance(error, UnreachableError)
        assert "The jump host could not reach sim-2" in error.message
        assert [box.counters.logins for box in rig.sim.boxes] == [1, 0]
        await until(lambda: rig.sim.boxes[0].counters.open == 0, "the hop is closed")


async def test_no_key_of_the_users_is_tried_on_a_stranger(rig: Rig, tmp_path: Path) -> None:
    """A host whose key is not accepted sees no login at all."""
    rig.sim.known_hosts.write_text("")
    await refused(rig.sim, tmp_path)
    assert (rig.sim.boxes[0].counters.connections, rig.sim.boxes[0].counters.logins) == (1, 0)
    async with fleet_of(rig.sim, tmp_path, accept_new=True) as fleet:
        await spec_on(await fleet.connect("sim-1"))
    assert rig.sim.boxes[0].counters.logins == 1
