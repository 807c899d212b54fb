"""Keys of OpenSSH's agent, certificates, and what IdentitiesOnly leaves of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from gptoss_tui.errors import AuthError
from gptoss_tui.remote import ssh_agent, ssh_login
from gptoss_tui.remote.reconnect import may_retry
from gptoss_tui.remote.ssh_agent import agent_path
from gptoss_tui.remote.ssh_config import resolve
from gptoss_tui.remote.target import Target
from tests.remote.ssh_parts import Door, Laptop, laptop, opened
from tests.remote.support import until

pytestmark = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="needs ssh-agent")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """A running agent with two keys: `held`, of which the file is gone, and `other`."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # it listens
    for name in ("other", "held"):
        key = tmp_path / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", key], check=True, env=environment)
        key.unlink()
    yield socket
    process.kill()
    process.wait(10)
    process.stdout.close()


def _print(folder: Path, name: str) -> str:
    return asyncssh.read_public_key(folder / f"{name}.pub").get_fingerprint()


def _box(made: Laptop, door: Door, agent: Path, *lines: str) -> None:
    made.knows(door)
    made.hosts(made.host("box", door, f"IdentityAgent {agent}", *lines))


async def test_a_key_of_the_agent_logs_in(tmp_path: Path, agent: Path) -> None:
    door = Door(keys=(_print(tmp_path, "held"),))
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door, agent)
        await made.connect("box")
        assert set(door.offered) == {_print(tmp_path, "held"), _print(tmp_path, "other")}


async def test_the_key_that_the_config_names_comes_first(tmp_path: Path, agent: Path) -> None:
    door = Door(keys=(_print(tmp_path, "held"),))
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door, agent, f"IdentityFile {tmp_path}/held")
        await made.connect("box")
        assert set(door.offered) == {_print(tmp_path, "held")}


async def test_identities_only_offers_no_other_key(tmp_path: Path, agent: Path) -> None:
    door = Door(keys=(_print(tmp_path, "other"),))
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door, agent, f"IdentityFile {tmp_path}/held", "IdentitiesOnly yes")
        with pytest.raises(AuthError):
            await made.connect("box")
        assert set(door.offered) == {_print(tmp_path, "held")}
        _box(made, door, agent, "IdentityFile none", "IdentitiesOnly yes")
        with pytest.raises(AuthError):
            await made.connect("box")
        assert set(door.offered) == {_print(tmp_path, "held")}


async def test_an_agent_that_is_gone_is_no_agent(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(),))
        async with opened(door):
            _box(made, door, tmp_path / "nowhere", f"IdentityFile {tmp_path}/id")
            await made.connect("box")


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("by_agent", [False, True])
async def test_a_certificate_is_offered(
    tmp_path: Path, agent: Path, beside: bool, by_agent: bool
) -> None:
    async with laptop(tmp_path) as made:
        made.key()
        name = "held" if by_agent else "id"
        if by_agent:
            public = asyncssh.read_public_key(tmp_path / "held.pub")
        else:
            public = asyncssh.read_private_key(tmp_path / "id").convert_to_public()
        authority = asyncssh.generate_private_key("ssh-ed25519")
        certificate = authority.generate_user_certificate(public, "me", principals=["me"])
        file = tmp_path / (f"{name}-cert.pub" if beside else "apart.pub")
        certificate.write_certificate(file)
        door = Door(authority=authority.get_fingerprint())
        async with opened(door):
            more = () if beside else (f"CertificateFile {file}",)
            _box(made, door, agent, f"IdentityFile {tmp_path}/{name}", *more)
            await made.connect("box")
        assert door.logins == 1


@pytest.mark.parametrize("only", [False, True])
async def test_a_certificate_of_a_key_that_only_the_agent_has(
    tmp_path: Path, agent: Path, only: bool
) -> None:
    public = asyncssh.read_public_key(tmp_path / "held.pub")
    authority = asyncssh.generate_private_key("ssh-ed25519")
    authority.generate_user_certificate(public, "me", principals=["me"]).write_certificate(
        tmp_path / "apart.pub"
    )
    door = Door(authority=authority.get_fingerprint())
    async with opened(door), laptop(tmp_path) as made:
        lines = (f"CertificateFile {tmp_path}/apart.pub", "IdentityFile none")
        _box(made, door, agent, *lines, *(["IdentitiesOnly yes"] if only else []))
        if only:  # as with OpenSSH: then the key has to be named too
            with pytest.raises(AuthError):
                await made.connect("box")
        else:
            await made.connect("box")
            assert door.offered == []  # the certificate comes before plain keys


async def test_the_plain_key_is_offered_too_where_the_certificate_is_not_wanted(
    tmp_path: Path, agent: Path
) -> None:
    public = asyncssh.read_public_key(tmp_path / "held.pub")
    authority = asyncssh.generate_private_key("ssh-ed25519")
    certificate = authority.generate_user_certificate(public, "me", principals=["me"])
    certificate.write_certificate(tmp_path / "held-cert.pub")
    door = Door(keys=(public.get_fingerprint(),))
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door, agent, f"IdentityFile {tmp_path}/held")
        await made.connect("box")


LIST, SIGN = 11, 13  # what a client asks an agent for


@asynccontextmanager
async def _slow(agent: Path, request: int, asked: asyncio.Event) -> AsyncIterator[Path]:
    """An agent that answers `request` only half a second after it was `asked`."""
    ends: list[asyncio.StreamWriter] = []

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_unix_connection(str(agent))
        ends.extend((writer, their_writer))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = await reader.readexactly(4)
                message = await reader.readexactly(int.from_bytes(size, "big"))
                if message[0] == request:
                    asked.set()
                    await asyncio.sleep(0.5)
                their_writer.write(size + message)
                size = await their_reader.readexactly(4)
                writer.write(size + await their_reader.readexactly(int.from_bytes(size, "big")))

    path = agent.with_name("slow agent")
    server = await asyncio.start_unix_server(between, str(path))
    try:
        yield path
    finally:
        server.close()
        for end in ends:
            end.close()
        await server.wait_closed()


@pytest.mark.parametrize("request_", [LIST, SIGN])
async def test_an_agent_that_asks_a_person_has_all_the_time(
    tmp_path: Path, agent: Path, request_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh_login, "LOGIN_TIMEOUT_S", 0.3)
    monkeypatch.setattr(ssh_agent, "ASKS_S", 0.1)
    door = Door(keys=(_print(tmp_path, "held"),))
    asked = asyncio.Event()
    async with opened(door), laptop(tmp_path) as made, _slow(agent, request_, asked) as slow:
        made.knows(door)
        made.hosts(made.host("box", door, f'IdentityAgent "{slow}"'))
        connecting = asyncio.create_task(made.connect("box"))
        await asked.wait()
        assert made.told == []  # most agents ask nobody
        await until(lambda: bool(made.told), "it is told of")
        assert made.told == [("box", "waiting for the agent")]
        await connecting
        assert made.told[1:] == [("box", "")]


async def test_a_server_that_hangs_up_on_the_agent_is_not_asked_again(
    tmp_path: Path, agent: Path
) -> None:
    door = Door(keys=(_print(tmp_path, "held"),))
    asked = asyncio.Event()
    async with opened(door), laptop(tmp_path) as made, _slow(agent, SIGN, asked) as slow:
        made.knows(door)
        made.hosts(made.host("box", door, f'IdentityAgent "{slow}"'))
        connecting = asyncio.create_task(made.connect("box"))
        await asked.wait()
        door.sides[0].abort()
        with pytest.raises(AuthError, match="hung up before it had an answer") as refusal:
            await connecting
        assert not may_retry(refusal.value)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("", "/env/agent"),
        ("IdentityAgent SSH_AUTH_SOCK", "/env/agent"),
        ("IdentityAgent none", None),
        ("IdentityAgent $OTHER", "/env/other"),
        ("IdentityAgent ${OTHER}.2", "/env/other.2"),
        ("IdentityAgent /run/%n", "/run/box"),
        ("IdentityAgent $MISSING", None),
    ],
)
def test_which_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, path: str | None
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/env/agent")
    monkeypatch.setenv("OTHER", "/env/other")
    (tmp_path / "config").write_text(f"{line}\n")
    assert agent_path(resolve(Target("box"), tmp_path / "config")) == path
