"""What of a config reaches the library, and what of it the library lacks."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.ssh_text import tell_ssh
from gptoss_tui.errors import BoxError, UnknownNameError, UnreachableError
from gptoss_tui.remote.reconnect import may_retry
from gptoss_tui.remote.ssh_algorithms import chosen, ciphers, usual
from gptoss_tui.remote.ssh_errors import explain
from gptoss_tui.remote.ssh_notes import Ignored, SshNotes, notes_of
from tests.remote.ssh_parts import Door, laptop, opened

GCM = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]
CHACHA = "chacha20-poly1305@openssh.com"


@pytest.mark.parametrize(
    ("line", "used"),
    [
        ("", GCM),
        (f"Ciphers {CHACHA},{GCM[0]}", [CHACHA]),
        ("Ciphers ^aes256-ctr", ["aes256-ctr"]),
        ("Ciphers -aes*-gcm@openssh.com", [CHACHA]),
    ],
)
async def test_the_cipher(tmp_path: Path, line: str, used: list[str]) -> None:
    async with laptop(tmp_path) as made:
        door = Door(keys=(made.key(),))
        async with opened(door):
            made.knows(door)
            made.hosts(made.host("box", door, f"IdentityFile {tmp_path}/id", line))
            got = await made.connect("box")
            assert got.connection.get_extra_info("send_cipher") in used


def test_all_other_ciphers_stay() -> None:
    assert {name for name in ciphers()[:2]} == set(GCM)
    assert CHACHA in ciphers()[2:]
    assert len(set(ciphers())) == len(ciphers()) > 3


@pytest.mark.parametrize(
    ("keyword", "named", "names", "lacking"),
    [
        ("kexalgorithms", "new-kex@x,curve25519-sha256", ["curve25519-sha256"], ["new-kex@x"]),
        ("kexalgorithms", "new-kex@x", [], ["new-kex@x"]),
        ("macs", "umac-1024,hmac-sha2-*-etm@openssh.com", None, ["umac-1024"]),
        ("hostkeyalgorithms", "ssh-dss2,ssh-ed25519", ["ssh-ed25519"], ["ssh-dss2"]),
        ("ciphers", "-no-such-cipher", usual("ciphers"), []),
        ("ciphers", f"-*gcm*,{CHACHA}", [n for n in ciphers() if n.endswith("ctr")], []),
        ("ciphers", "+aes128-cbc,x", [*ciphers(), "aes128-cbc"], ["x"]),
    ],
)
def test_names_that_the_library_lacks_are_left_out(
    keyword: str, named: str, names: list[str] | None, lacking: list[str]
) -> None:
    choice = chosen(keyword, named)
    if names is not None:
        assert list(choice.names) == names
    assert choice.names or names == []
    assert list(choice.lacking) == lacking


async def test_a_list_with_names_of_a_newer_openssh_connects_and_is_told_of(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        door, hop = Door(keys=(made.key(),)), Door(keys=(made.key("two"),))
        async with opened(door, hop):
            made.knows(door)
            made.knows(hop)
            lists = ("KexAlgorithms new-kex@x,curve25519-sha256", "HostKeyAlgorithms +ssh-new")
            made.hosts(
                made.host("hop", hop, f"IdentityFile {tmp_path}/two", "ControlMaster auto")
                + made.host("box", door, f"IdentityFile {tmp_path}/id", *lists, "ProxyJump hop")
                + "Host *\n  ForwardAgent yes\n"
            )
            notes = await notes_of(await made.connect("box"))
            found = {(one.directive, one.value, one.hop) for one in notes.ignored}
            assert found == {
                ("kexalgorithms", "new-kex@x", ""),
                ("hostkeyalgorithms", "ssh-new", ""),
                ("forwardagent", "yes", ""),
                ("controlmaster", "auto", "hop"),
            }


async def test_a_list_of_which_nothing_is_left_is_a_sentence(tmp_path: Path) -> None:
    async with laptop(tmp_path) as made:
        made.hosts("Host box\n  HostName 127.0.0.1\n  MACs umac-1024\n")
        with pytest.raises(BoxError, match="the SSH library has none of umac-1024"):
            await made.connect("box")


def test_only_a_name_that_nobody_knows_is_final() -> None:
    gone = explain(socket.gaierror(socket.EAI_NONAME, "not known"), "box", "box", 1.0)
    offline = explain(socket.gaierror(socket.EAI_AGAIN, "try again"), "box", "box", 1.0)
    assert isinstance(gone, UnknownNameError)
    assert isinstance(offline, UnreachableError)
    assert "cannot be looked up now: try again" in offline.message
    assert (may_retry(gone), may_retry(offline)) == (False, True)


def test_a_directive_of_a_hop_is_told_with_its_hop(capsys: pytest.CaptureFixture[str]) -> None:
    one = Ignored(directive="foo", value="x", place="config line 2", why="unknown", hop="hop")
    notes = SshNotes(host="h", port=22, user="me", known_as="h", hops=("hop",), ignored=(one,))
    tell_ssh(notes, None, Output(json=False))
    said = capsys.readouterr().out
    assert "foo x (config line 2, for hop) has no effect: unknown" in said
