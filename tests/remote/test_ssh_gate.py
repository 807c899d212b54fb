"""At most four handshakes at once; who waits for a person or a dead server holds up nobody."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import asyncssh
import pytest

from gptoss_tui.remote import login
from gptoss_tui.remote.login import HANDSHAKES, Gate, Place
from tests.remote import ssh_parts
from tests.remote.ssh_parts import Door, laptop, opened
from tests.remote.support import until


async def test_at_most_four_logins_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = most = 0
    made_, completed = ssh_parts._Server.connection_made, ssh_parts._Server.auth_completed

    def connection_made(server: ssh_parts._Server, conn: asyncssh.SSHServerConnection) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        made_(server, conn)

    def auth_completed(server: ssh_parts._Server) -> None:
        nonlocal now
        now -= 1
        completed(server)

    monkeypatch.setattr(ssh_parts._Server, "connection_made", connection_made)
    monkeypatch.setattr(ssh_parts._Server, "auth_completed", auth_completed)
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(),))
        async with opened(door):
            made.knows(door)
            made.hosts(made.host("box", door, f"IdentityFile {tmp_path}/id"))
            await asyncio.gather(*(made.connect("box", f"box {n}") for n in range(12)))
    assert most == HANDSHAKES == 4


async def test_boxes_whose_address_drops_everything_hold_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "DIALING_S", 0.05)
    with socket.socket() as full:  # a full backlog drops what comes, as a firewall does
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with laptop(tmp_path) as made:
            door = Door(keys=(made.key(),))
            async with opened(door):
                made.knows(door)
                made.hosts(
                    f"Host dead\n  HostName 127.0.0.1\n  Port {full.getsockname()[1]}\n"
                    + made.host("box", door, f"IdentityFile {tmp_path}/id")
                )
                dead = [asyncio.create_task(made.connect("dead", f"{n}")) for n in range(12)]
                gate = made.dialer._logins._gate
                await until(lambda: len(gate._waiting) == 8, "all of them came before")
                async with asyncio.timeout(5):  # ConnectTimeout is 10 s
                    await made.connect("box")
                assert not any(task.done() for task in dead)
                for task in dead:
                    task.cancel()
                await asyncio.gather(*dead, return_exceptions=True)
                assert gate._free == HANDSHAKES
        for one in fill:
            one.close()


async def test_a_place_is_taken_again_once_the_server_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(login, "DIALING_S", 0.01)
    gate = Gate(1)
    async with Place(gate) as slow:
        async with Place(gate) as other:
            other.reached()
            slow.reached()  # it counts although there is no place: the next one waits for both
            third = asyncio.create_task(gate.acquire())
            await asyncio.sleep(0)
            assert (gate._free, third.done()) == (-1, False)
        assert (gate._free, third.done()) == (0, False)
    await third
    gate.release()
    assert gate._free == 1


async def test_places_are_given_in_the_order_of_asking_and_none_is_lost() -> None:
    gate, order = Gate(1), list[int]()

    async def enter(number: int) -> None:
        async with Place(gate):
            order.append(number)

    await gate.acquire()
    tasks = [asyncio.create_task(enter(number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    gate.release()
    tasks[0].cancel()  # in the very moment in which it has its turn
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [2, 3]
    assert gate._free == 1
