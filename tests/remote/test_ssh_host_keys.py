"""Host keys on real handshakes: authorities, revocations, aliases, changes; and forgetting."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from gptoss_tui.errors import ChangedHostKeyError, HostKeyError, UnknownHostKeyError
from gptoss_tui.remote import known_hosts
from tests.remote.ssh_parts import Door, Laptop, laptop, opened


def _public(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key().decode().split()[:2])


def _box(made: Laptop, door: Door, *lines: str) -> None:
    door.keys = (made.key(),)
    made.hosts(made.host("box", door, f"IdentityFile {made.folder}/id", *lines))


def _certified(
    door: Door, name: str, kind: str = "ssh-ed25519", signed_by: str = "ssh-ed25519"
) -> asyncssh.SSHKey:
    authority = asyncssh.generate_private_key(kind)
    door.certificate = authority.generate_host_certificate(
        door.host_key, "box", principals=[name], sig_alg=signed_by
    )
    return authority


@pytest.mark.parametrize("pattern", ["[127.0.0.1]:{port}", "[127.0.0.*]:*"])
async def test_an_authority_vouches_for_a_key(tmp_path: Path, pattern: str) -> None:
    door = Door()
    authority = _certified(door, "127.0.0.1")
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door)
        name = pattern.format(port=door.port)
        made.known.write_text(f"@cert-authority {name} {_public(authority)}\n")
        await made.connect("box")


async def test_an_authority_that_is_not_on_file_is_refused(tmp_path: Path) -> None:
    door = Door()
    _certified(door, "127.0.0.1")
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door)
        other = _public(asyncssh.generate_private_key("ssh-ed25519"))
        made.known.write_text(f"@cert-authority [127.0.0.1]:{door.port} {other}\n")
        with pytest.raises(ChangedHostKeyError, match="authority that is not on file"):
            await made.connect("box")
        made.known.write_text("")  # without any, the plain key is what is asked about
        with pytest.raises(UnknownHostKeyError):
            await made.connect("box")


async def test_a_revoked_authority_is_refused(tmp_path: Path) -> None:
    door = Door()
    authority = _public(_certified(door, "127.0.0.1"))
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door)
        made.known.write_text(f"@cert-authority * {authority}\n@revoked * {authority}\n")
        with pytest.raises(ChangedHostKeyError, match="marked as revoked"):
            await made.connect("box")


async def test_a_revoked_key_is_refused_in_a_certificate_too(tmp_path: Path) -> None:
    door = Door()
    authority = _public(_certified(door, "127.0.0.1"))
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door)
        revoked = f"@revoked * {_public(door.host_key)}\n"
        made.known.write_text(f"@cert-authority * {authority}\n{revoked}")
        with pytest.raises(ChangedHostKeyError, match="marked as revoked") as refusal:
            await made.connect("box")
        assert door.host_key.get_fingerprint() in refusal.value.message
        made.knows(door)  # and a line that knows the plain key does not help
        with pytest.raises(ChangedHostKeyError, match="marked as revoked"):
            await made.connect("box")
        assert door.logins == 0


async def test_a_key_that_is_known_needs_no_authority(tmp_path: Path) -> None:
    door = Door()
    _certified(door, "127.0.0.1")
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door)
        other = _public(asyncssh.generate_private_key("ssh-ed25519"))
        made.known.write_text(f"@cert-authority * {other}\n")
        made.knows(door)
        await made.connect("box")


@pytest.mark.parametrize(
    ("kind", "signed_by", "line", "vouches"),
    [
        ("ssh-rsa", "rsa-sha2-256", "", True),
        ("ssh-rsa", "rsa-sha2-256", "CASignatureAlgorithms ssh-ed25519", False),
        ("ssh-rsa", "rsa-sha2-256", "CASignatureAlgorithms rsa-sha2-512", False),
        ("ssh-rsa", "rsa-sha2-512", "CASignatureAlgorithms rsa-sha2-512", True),
        ("ssh-rsa", "ssh-rsa", "", False),  # SHA-1
        ("ssh-rsa", "ssh-rsa", "CASignatureAlgorithms +ssh-rsa", True),
        ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", "", True),
    ],
)
async def test_an_authority_signs_by_the_algorithms_of_the_config(
    tmp_path: Path, kind: str, signed_by: str, line: str, vouches: bool
) -> None:
    """Otherwise its certificate is as none, as with OpenSSH: the plain key is asked about."""
    door = Door()
    authority = _certified(door, "127.0.0.1", kind, signed_by)
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door, *([line] if line else []))
        made.known.write_text(f"@cert-authority * {_public(authority)}\n")
        if not vouches:
            with pytest.raises(UnknownHostKeyError):
                await made.connect("box")
            made.knows(door)
        await made.connect("box")


async def test_the_algorithms_of_authorities_do_not_limit_own_keys(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-rsa")
    door = Door(keys=(key.get_fingerprint(),))
    async with opened(door), laptop(tmp_path) as made:
        key.write_private_key(tmp_path / "id")
        made.knows(door)
        line = "CASignatureAlgorithms ssh-ed25519"
        made.hosts(made.host("box", door, f"IdentityFile {tmp_path}/id", line))
        await made.connect("box")


@pytest.mark.parametrize("principal", ["the-box", "127.0.0.1"])
async def test_a_certificate_is_for_the_alias(tmp_path: Path, principal: str) -> None:
    door = Door()
    authority = _certified(door, principal)
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door, "HostKeyAlias the-box")
        made.known.write_text(f"@cert-authority the-box {_public(authority)}\n")
        if principal == "the-box":
            await made.connect("box")
        else:
            with pytest.raises(HostKeyError, match="principal"):
                await made.connect("box")


async def test_a_changed_key_of_a_name_in_upper_case_is_changed(tmp_path: Path) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path, accept_new=True) as made:
        door.keys = (made.key(),)
        made.hosts(
            f"Host box\n HostName LocalHost\n Port {door.port}\n IdentityFile {tmp_path}/id\n"
        )
        old = asyncssh.generate_private_key("ssh-ed25519")
        made.known.write_text(f"[LOCALHOST]:{door.port} {_public(old)}\n")
        with pytest.raises(ChangedHostKeyError, match="CHANGED"):
            await made.connect("box")
        assert door.logins == 0


@pytest.mark.parametrize("where", ["[127.0.0.1]:{port}", "127.0.0.1", "*"])
async def test_a_revoked_key_is_refused_in_its_own_words(tmp_path: Path, where: str) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path, accept_new=True) as made:
        _box(made, door)
        made.knows(door)
        name = where.format(port=door.port)
        with made.known.open("a") as file:
            file.write(f"@revoked {name} {_public(door.host_key)}\n")
        with pytest.raises(ChangedHostKeyError, match="marked as revoked") as refusal:
            await made.connect("box")
        assert door.host_key.get_fingerprint() in refusal.value.message
        assert not refusal.value.ours
        assert door.logins == 0


async def test_an_alias_stands_without_a_port(tmp_path: Path) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door, "HostKeyAlias the-box")
        with pytest.raises(UnknownHostKeyError) as refusal:
            await made.connect("box")
        assert refusal.value.key.startswith("the-box ssh-ed25519 ")
        made.knows(door, "the-box")
        await made.connect("box")


async def test_a_changed_key_in_our_own_file_can_be_forgotten(tmp_path: Path) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door)
        old = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
        known_hosts.accept(made.own, known_hosts.entry("other", 22, old))
        known_hosts.accept(made.own, known_hosts.entry("127.0.0.1", door.port, old))
        with pytest.raises(ChangedHostKeyError) as refusal:
            await made.connect("box")
        error = refusal.value
        assert error.ours
        assert old.get_fingerprint() in error.message
        assert door.host_key.get_fingerprint() in error.message
        assert f"{made.own} line 2" in error.message
        assert f"gptoss-tui forget-key '[127.0.0.1]:{door.port}'" in error.next_step
        assert known_hosts.forget(made.own, error.host, error.port) == 1
        assert made.own.read_text() == known_hosts.entry("other", 22, old)
        with pytest.raises(UnknownHostKeyError):
            await made.connect("box")


async def test_a_changed_key_in_a_file_of_the_users_names_the_line_to_run(tmp_path: Path) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door)
        old = asyncssh.generate_private_key("ssh-ed25519")
        made.known.write_text(f"# mine\n[127.0.0.1]:{door.port} {_public(old)}\n")
        with pytest.raises(ChangedHostKeyError) as refusal:
            await made.connect("box")
        assert not refusal.value.ours
        wanted = f"ssh-keygen -R '[127.0.0.1]:{door.port}' -f {made.known}"
        assert wanted in refusal.value.next_step
        assert f"{made.known} line 2" in refusal.value.message
        made.known.write_text(f"[127.0.0.1]:* {_public(old)}\n")
        with pytest.raises(ChangedHostKeyError, match="remove line 1"):
            await made.connect("box")


async def test_a_key_of_another_kind_is_a_changed_key_and_no_broken_handshake(
    tmp_path: Path,
) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door)
        rsa = asyncssh.generate_private_key("ssh-rsa")
        made.known.write_text(f"[127.0.0.1]:{door.port} {_public(rsa)}\n")
        with pytest.raises(ChangedHostKeyError):
            await made.connect("box")


async def test_accept_new_takes_a_new_key_and_no_changed_one(tmp_path: Path) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path, accept_new=True) as made:
        _box(made, door)
        await made.connect("box")
        assert made.own.read_text() == known_hosts.entry("127.0.0.1", door.port, door.host_key)
        made.own.write_text(
            made.own.read_text().split()[0]
            + " " + _public(asyncssh.generate_private_key("ssh-ed25519")) + "\n"
        )  # fmt: skip
        with pytest.raises(ChangedHostKeyError):
            await made.connect("box")


@pytest.mark.parametrize("words", ["none", "/dev/null"])
async def test_no_config_switches_the_check_off(tmp_path: Path, words: str) -> None:
    door = Door()
    async with opened(door), laptop(tmp_path) as made:
        _box(made, door, f"UserKnownHostsFile {words}", "StrictHostKeyChecking no")
        with pytest.raises(UnknownHostKeyError):
            await made.connect("box")
        assert door.logins == 0
