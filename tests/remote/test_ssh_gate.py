"""At most four handshakes at once; who waits for a person or a dead server holds up nobody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from gptoss_tui.errors import UnreachableError
from gptoss_tui.remote import gates, ssh_login
from gptoss_tui.remote.gates import HANDSHAKES, Gate, Gates, Place
from gptoss_tui.remote.ssh_connect import Opened
from tests.remote import ssh_parts
from tests.remote.ssh_parts import Door, Laptop, Person, laptop, opened
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


DEAD = 12


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody gives up a place because time passes: who waits for the dead waits for ever."""
    monkeypatch.setattr(gates, "SILENT_S", 600.0)
    monkeypatch.setattr(gates, "PROXY_SILENT_S", 600.0)


@contextmanager
def dropping() -> Iterator[int]:
    """A port with a full backlog, which drops what comes, as a firewall does."""
    with socket.socket() as full, ExitStack() as fill:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            one = fill.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield full.getsockname()[1]


@contextmanager
def mute() -> Iterator[int]:
    """A port that takes every connection and never says a word, as a stopped sshd does."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        yield silent.getsockname()[1]


async def _gone(tasks: list[asyncio.Task[Opened]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _all_free(made: Laptop) -> bool:
    shared = made.dialer._logins._gates
    free = (shared.handshakes._free, shared.dials._free)
    return free == (gates.HANDSHAKES, gates.DIALS)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("kind", [dropping, mute])
async def test_dead_boxes_hold_up_nobody(
    tmp_path: Path, kind: Callable[[], AbstractContextManager[int]]
) -> None:
    """All the live ones come up while all the dead ones are still waited for."""
    async with laptop(tmp_path) as made:
        print_ = made.key()
        live = [Door(keys=(print_,)) for _ in range(6)]
        key = f"IdentityFile {tmp_path}/id"
        with ExitStack() as there:
            ports = [there.enter_context(kind()) for _ in range(DEAD)]
            async with opened(*live):
                text = "".join(
                    f"Host dead{n}\n  HostName 127.0.0.1\n  Port {port}\n  ConnectTimeout 600\n"
                    for n, port in enumerate(ports)
                )
                for number, door in enumerate(live):
                    made.knows(door)
                    text += made.host(f"live{number}", door, key)
                made.hosts(text)
                dead = [asyncio.create_task(made.connect(f"dead{n}")) for n in range(DEAD)]
                dials = made.dialer._logins._gates.dials
                await until(lambda: dials._free == gates.DIALS - DEAD, "all the dead are dialled")
                await asyncio.gather(*(made.connect(f"live{n}") for n in range(len(live))))
                assert not any(task.done() for task in dead)
                await _gone(dead)
                assert _all_free(made)


@pytest.mark.usefixtures("patient")
async def test_dead_boxes_behind_a_bastion_hold_up_nobody(tmp_path: Path) -> None:
    """Nor does the bastion keep a channel to one that was given up."""
    async with laptop(tmp_path) as made:
        print_ = made.key()
        bastion, live = Door(keys=(print_,)), Door(keys=(print_,))
        with ExitStack() as there:
            ports = [there.enter_context(mute()) for _ in range(DEAD)]
            async with opened(bastion, live):
                key = f"IdentityFile {tmp_path}/id"
                text = made.host("bastion", bastion, key)
                text += made.host("live", live, key, "ProxyJump bastion")
                for n, port in enumerate(ports):
                    text += f"Host dead{n}\n  HostName 127.0.0.1\n  Port {port}\n"
                    text += "  ProxyJump bastion\n"
                for door in (bastion, live):
                    made.knows(door)
                made.hosts(text)
                dead = [asyncio.create_task(made.connect(f"dead{n}")) for n in range(DEAD)]
                dials = made.dialer._logins._gates.dials
                await until(lambda: dials._free == gates.DIALS - DEAD, "all the dead are dialled")
                await made.connect("live")
                assert not any(task.done() for task in dead)
                await _gone(dead)
                assert _all_free(made)
                channels = bastion.sides[0]._channels
                await until(lambda: len(channels) == 1, "only the live one's channel is open")


@pytest.mark.usefixtures("patient")
async def test_dead_boxes_behind_a_command_hold_up_those_behind_it_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ProxyCommand may log in at a bastion of its own: four at once, until they take too long."""
    async with laptop(tmp_path) as made:
        print_ = made.key()
        live, slow = Door(keys=(print_,)), Door(keys=(print_,))
        async with opened(live, slow):
            key = f"IdentityFile {tmp_path}/id"
            text = made.host("live", live, key) + made.host("slow", slow, key, "ProxyCommand true")
            text += "Host dead*\n  ProxyCommand sleep 600\n"
            for door in (live, slow):
                made.knows(door)
            made.hosts(text)
            dead = [asyncio.create_task(made.connect(f"dead{n}")) for n in range(DEAD)]
            shared = made.dialer._logins._gates
            await until(lambda: len(made.dialer._logins._proxies) == HANDSHAKES, "four run")
            await made.connect("live")
            with pytest.raises(UnreachableError):  # another command is another way
                await made.connect("slow")
            await until(lambda: len(made.dialer._logins._proxies) == HANDSHAKES, "no other runs")
            assert shared.dials._free == gates.DIALS - HANDSHAKES
            assert not any(task.done() for task in dead)
            await _gone(dead)
            assert _all_free(made)
            await until(lambda: not made.dialer._logins._proxies, "no command is left")
            monkeypatch.setattr(gates, "PROXY_SILENT_S", 0.01)
            dead = [asyncio.create_task(made.connect(f"dead{n}")) for n in range(DEAD)]
            await until(lambda: len(made.dialer._logins._proxies) == DEAD, "all of them run")
            await _gone(dead)
            assert _all_free(made)


@pytest.mark.usefixtures("patient")
async def test_a_channel_that_opens_after_its_login_was_given_up_is_closed(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        print_ = made.key()
        bastion, box = Door(keys=(print_,), opens=asyncio.Event()), Door(keys=(print_,))
        assert bastion.opens is not None
        async with opened(bastion, box):
            key = f"IdentityFile {tmp_path}/id"
            for door in (bastion, box):
                made.knows(door)
            made.hosts(
                made.host("bastion", bastion, key) + made.host("b", box, key, "ProxyJump bastion")
            )
            connecting = asyncio.create_task(made.connect("b"))
            await until(lambda: bastion.requested == 1, "the bastion is asked for a channel")
            await _gone([connecting])
            assert len(bastion.sides[0]._channels) == 1
            bastion.opens.set()
            await until(lambda: box.connections == 1, "it opens the channel after all")
            await until(lambda: not bastion.sides[0]._channels, "the channel is closed")
            assert _all_free(made)
            await made.connect("b")
            assert bastion.logins == 1


@pytest.mark.usefixtures("patient")
async def test_never_more_than_four_handshakes_at_many_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted by the servers, from the first packet of a login to its end."""
    now, most = set[object](), 0
    began, completed = (
        asyncssh.SSHServerConnection._process_kexinit,
        ssh_parts._Server.auth_completed,
    )

    def process_kexinit(side: asyncssh.SSHServerConnection, *given: Any) -> Awaitable[None] | None:
        nonlocal most
        now.add(side._owner)
        most = max(most, len(now))
        return began(side, *given)

    def auth_completed(server: ssh_parts._Server) -> None:
        now.discard(server)
        completed(server)

    handlers = dict(asyncssh.SSHServerConnection._packet_handlers)
    handlers[20] = process_kexinit  # SSH_MSG_KEXINIT
    monkeypatch.setattr(asyncssh.SSHServerConnection, "_packet_handlers", handlers)
    monkeypatch.setattr(ssh_parts._Server, "auth_completed", auth_completed)
    async with laptop(tmp_path) as made:
        print_ = made.key()
        doors = [Door(keys=(print_,)) for _ in range(16)]
        async with opened(*doors):
            text = ""
            for number, door in enumerate(doors):
                made.knows(door)
                text += made.host(f"b{number}", door, f"IdentityFile {tmp_path}/id")
            made.hosts(text)
            await asyncio.gather(*(made.connect(f"b{n}") for n in range(len(doors))))
    assert most == HANDSHAKES


async def test_a_login_that_waits_for_its_turn_has_its_whole_time_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_login, "LOGIN_TIMEOUT_S", 0.5)
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(),))
        async with opened(door):
            made.knows(door)
            made.hosts(made.host("box", door, f"IdentityFile {tmp_path}/id"))
            shared = made.dialer._logins._gates
            for _ in range(HANDSHAKES):
                shared.handshakes.force()
            connecting = asyncio.create_task(made.connect("box"))
            await until(lambda: len(shared.handshakes._waiting) == 1, "the server spoke")
            loop = asyncio.get_running_loop()
            later = loop.create_future()
            loop.call_later(1.0, later.set_result, None)
            await later
            assert not connecting.done()
            for _ in range(HANDSHAKES):
                shared.handshakes.release()
            await connecting
            assert _all_free(made)


@pytest.mark.parametrize("floods", [False, True])
async def test_a_server_that_hangs_up_or_floods_while_its_login_waits(
    tmp_path: Path, floods: bool
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 1_000_000 if floods else b"SSH-2.0-x\r\n")
        with suppress(OSError):
            await writer.drain()
            if floods:
                await reader.read()
        writer.close()

    async with laptop(tmp_path) as made:
        listener = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            made.hosts(f"Host box\n  HostName 127.0.0.1\n  Port {port}\n")
            handshakes = made.dialer._logins._gates.handshakes
            for _ in range(HANDSHAKES):
                handshakes.force()
            async with asyncio.timeout(10):
                with pytest.raises(UnreachableError):
                    await made.connect("box")
            for _ in range(HANDSHAKES):
                handshakes.release()
        assert _all_free(made)


@pytest.mark.usefixtures("patient")
async def test_who_waits_for_anothers_passphrase_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_login, "LOGIN_TIMEOUT_S", 3.0)  # as long as nobody types
    async with laptop(tmp_path) as made:
        print_ = made.key("locked", passphrase="hush")
        locked = [Door(keys=(print_,)) for _ in range(8)]
        other = Door(keys=(made.key(),))
        async with opened(*locked, other):
            text = made.host("other", other, f"IdentityFile {tmp_path}/id")
            for number, door in enumerate(locked):
                text += made.host(f"b{number}", door, f"IdentityFile {tmp_path}/locked")
            for door in (*locked, other):
                made.knows(door)
            made.hosts(text)
            person = made.prompter = Person("hush")
            typed = asyncio.get_running_loop().create_future()
            person.before = lambda: asyncio.ensure_future(asyncio.shield(typed))
            waiting = [asyncio.create_task(made.connect(f"b{n}")) for n in range(len(locked))]
            await until(lambda: len({box for box, what in made.told if what}) == 8, "all are told")
            await made.connect("other")
            await asyncio.wait(waiting, timeout=3.5)  # a person takes longer than any clock
            assert not any(task.done() for task in waiting)
            typed.set_result(None)
            await asyncio.gather(*waiting)
            assert len(person.asked) == 1
            assert _all_free(made)


async def test_a_place_is_taken_again_once_the_server_answers() -> None:
    shared = Gates()
    gate = shared.server("one")
    for _ in range(HANDSHAKES - 1):
        gate.force()
    async with Place(shared, "one", 0.01) as slow:
        async with Place(shared, "one", 600.0) as other:  # comes in as the slow one is given up
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
        await gate.acquire()
        order.append(number)
        gate.release()

    await gate.acquire()
    tasks = [asyncio.create_task(enter(number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    gate.release()
    tasks[0].cancel()  # in the very moment in which it has its turn
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [2, 3]
    assert gate._free == 1


@pytest.mark.parametrize("number", range(3))
async def test_no_place_is_lost_by_whoever_is_cancelled_wherever_it_waits(number: int) -> None:
    shared = Gates()
    all_gates = (shared.server("one"), shared.dials, shared.handshakes)
    full = all_gates[number]
    before = [gate._free for gate in all_gates]
    for _ in range(before[number]):
        full.force()

    async def enter() -> None:
        async with Place(shared, "one") as place:
            await place.answered()

    for moment in ("while it waits", "as its turn comes"):
        task = asyncio.create_task(enter())
        await until(lambda: bool(full._waiting), moment)
        if moment == "as its turn comes":
            full.release()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for _ in range(before[number] - 1):
        full.release()
    assert [gate._free for gate in all_gates] == before
