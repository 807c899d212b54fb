"""Keys of OpenSSH's agent, certificates, and what IdentitiesOnly leaves of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from gptoss_tui.errors import AuthError
from gptoss_tui.remote.ssh_agent import agent_path
from gptoss_tui.remote.ssh_config import resolve
from gptoss_tui.remote.target import Target
from tests.remote.ssh_parts import Door, Laptop, laptop, opened

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
