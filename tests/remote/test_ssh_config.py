"""Our reading of an ssh config against `ssh -G`, OpenSSH's own."""

from __future__ import annotations

import asyncio
import fnmatch
import os
import shutil
import subprocess
from pathlib import Path
from typing import cast

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.errors import BoxError
from gptoss_tui.remote.login import Questions
from gptoss_tui.remote.ssh_config import Config, resolve
from gptoss_tui.remote.ssh_config_text import matches
from gptoss_tui.remote.ssh_files import LIMIT
from gptoss_tui.remote.ssh_keys import KeyRing
from gptoss_tui.remote.ssh_options import CONNECT_S, connect_s, known_for, seconds_of
from gptoss_tui.remote.target import parse_target

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="needs OpenSSH's ssh")

TABLE: dict[str, tuple[str, str]] = {
    # name: (config, how it is named)
    "empty": ("", "box"),
    "address": ("Host box\n  HostName 10.0.0.1\n  Port 2200\n  User ann\n", "box"),
    "typed port and user win": ("Host box\n Port 2200\n User ann\n", "ssh -p 23 bob@box"),
    "options win": ("Host box\n Port 2200\n User ann\n", "ssh -o Port=24 -oUser=eve box"),
    "first value wins": ("User one\nHost box\n User two\n Port 1\n Port 2\n", "box"),
    "port of a service": ("Host box\n Port ssh\nHost *\n Port 9\n", "box"),
    "equals signs": ("Host=box\n Port=2200\n User = ann\n  HostName\t=\t1.2.3.4\n", "box"),
    "case of keywords": ("HOST box\n pORT 2200\n hostname A.Example.COM\n", "box"),
    "comments behind": ("Host box # mine\n Port 2200 # his\n User ann # hers\n", "box"),
    "quotes": ('Host "box"\n User "a b"\n IdentityFile "/k/my key"\n', "box"),
    "single quotes": ("Host box\n IdentityFile '/k/my key'\n", "box"),
    "wildcards": ("Host b*x\n Port 1\nHost b?x\n User q\nHost a*\n Port 9\n", "box"),
    "negation": ("Host !box *\n Port 1\nHost * !other\n Port 2\n", "box"),
    "brackets are no wildcard": ("Host b[o]x\n Port 1\n", "box"),
    "several patterns": ("Host a b box\n Port 77\n", "box"),
    "percent h": ("Host box\n HostName %h.example.com\n", "box"),
    "upper case name": ("Host BOX\n Port 3\nHost box\n Port 4\n", "BOX"),
    "identities add up": ("Host box\n IdentityFile /k/a\nHost *\n IdentityFile /k/b\n", "box"),
    "identity given": ("Host *\n IdentityFile /k/b\n", "ssh -i {folder}/more1 box"),
    "identity twice": ("Host *\n IdentityFile /k/b\n IdentityFile /k/b\n", "box"),
    "identity none": ("Host *\n IdentityFile none\n", "box"),
    "identities only": ("IdentitiesOnly yes\nIdentityAgent /run/agent\n", "box"),
    "agent none": ("IdentityAgent none\n", "box"),
    "certificates": ("CertificateFile /k/c-cert.pub\nCertificateFile /k/d-cert.pub\n", "box"),
    "alias": ("Host box\n HostKeyAlias the-box\n HostName 1.2.3.4\n", "box"),
    "jump": ("Host box\n ProxyJump ann@b1:23,b2\n", "box"),
    "jump given": ("Host box\n ProxyJump b1\n", "ssh -J b2 box"),
    "jump none first": ("Host box\n ProxyJump none\nHost *\n ProxyJump b1\n", "box"),
    "command before jump": ("Host box\n ProxyCommand nc %h %p\nHost *\n ProxyJump b1\n", "box"),
    "jump before command": ("Host box\n ProxyJump b1\nHost *\n ProxyCommand nc %h\n", "box"),
    "command with quotes": ("ProxyCommand sh -c \"nc '%h' %p\" # no comment\n", "box"),
    "known hosts files": ("UserKnownHostsFile /k/one /k/two\n", "box"),
    "match host": ("Match host box\n Port 5\nMatch host other\n User x\n", "box"),
    "match sees HostName": ("Host box\n HostName h1\nMatch host h1\n Port 5\n", "box"),
    "match originalhost": ("Host box\n HostName h1\nMatch originalhost b*\n Port 5\n", "box"),
    "match user": ("Match user ann,bob\n Port 5\n", "ann@box"),
    "match user by config": ("Host box\n User ann\nMatch user ann\n Port 5\n", "box"),
    "match not": ("Match !host box\n Port 5\nMatch host box !user root,eve\n Port 6\n", "ann@box"),
    "match list with not": ("Match host *,!box\n Port 5\n", "box"),
    "match all": ("Host other\n Port 1\nMatch all\n Port 2\n", "box"),
    "match exec": ("Match exec true\n Port 5\nMatch exec false\n User x\n", "box"),
    "match exec tokens": ('Match exec "test %n-%r = box-ann"\n Port 5\n', "ann@box"),
    "match exec not run": ("Match host other exec true\n Port 5\n", "box"),
    "match final": ("Match final host h1\n Port 5\nHost box\n HostName h1\n", "box"),
    "match final all": ("Match final all\n Port 5\n User x\nHost box\n User y\n", "box"),
    "final and host": ("Match final\n Port 5\nHost h1\n User z\nHost box\n HostName h1\n", "box"),
    "match not final": ("Match !final host box\n Port 5\n", "box"),
    "match not all": ("Match !all\n Port 5\n", "box"),
    "final HostName": ("Match final\n HostName h3\n Port 5\n", "box"),
    "final HostName again": ("Match final\n HostName h3\nHost box\n HostName h1\n", "box"),
    "final and percent h": ("Host *\n HostName %h.lan\nMatch final\n Port 5\n", "box"),
    "match canonical": ("Match canonical\n Port 5\n", "box"),
    "ends a block": ("Host other\n Port 1\nHost box\n Port 2\nHost *\n Port 3\n", "box"),
    "include": ("Include {folder}/more*\nPort 9\n", "box"),
    "include in a block": ("Host other\n Include {folder}/more1\n User eve\n", "box"),
    "after an include": ("Host other\n Include {folder}/more2\n User eve\n", "box"),
    "include in its block": ("Host box\n Include {folder}/more2\n User eve\n", "box"),
    "include missing": ("Include {folder}/none\nPort 9\n", "box"),
    "include by a set": ("Include {folder}/more[1-9]\nPort 9\n", "box"),
    "include by a sign": ("Include {folder}/mor?1 {folder}/m*2\nPort 9\n", "box"),
    "include in quotes": ('Include "{folder}/more 3" {folder}/more1\nPort 9\n', "box"),
    "include of nobody's": ("Include ~nobody-is-called-so/x\nPort 9\n", "box"),
    "include a folder": ("Include {folder}\nPort 9\n", "box"),
    "identity of nobody": ("IdentityFile ~nobody-is-called-so/x\n", "box"),
    "a comment has one line": ("# as they say\u2028Port 9\x85Port 8\x0bPort 7\x1cPort 6\n", "box"),
    "an end of line within": ("Host box\n User a\x0b\n HostName b\x0c\n", "box"),
    "a NUL ends a line": ("Host box\n Port 7\0Port 9\n User ann\0eve\n", "box"),
    "typed service": ("Host box\n Port 9\n", "ssh -p ssh box"),
    "service in a URI": ("Host box\n Port 9\n", "ssh ssh://ann@box:ssh"),
    "include in itself": ("Include {folder}/loop\nPort 9\n", "box"),
    "seconds and family": ("ConnectTimeout 7\nAddressFamily inet\nCompression yes\n", "box"),
    "switches": ("Host box\n AddressFamily inet6\n", "ssh -4 -C box"),
    "methods": ("PreferredAuthentications password\nPubkeyAuthentication no\n", "box"),
    "other lines": ("Host box\n LocalForward 80 x:80\n ControlMaster auto\n Port 9\n", "box"),
}
SINGLE = (
    "port", "user", "hostkeyalias", "proxyjump", "proxycommand", "identityagent", "connecttimeout",
    "addressfamily", "preferredauthentications", "identitiesonly", "compression",
    "pubkeyauthentication",
)  # fmt: skip
SILENT = ("no", "none", "any", "true", "yes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "more1").write_text("Host box\n Port 61\nHost *\n User inc\n")
    (tmp_path / "more2").write_text("Port 62\n")
    (tmp_path / "more 3").write_text("Port 63\n")
    (tmp_path / "loop").write_text(f"User in-loop\nInclude {tmp_path}/loop\n")
    return tmp_path


@pytest.mark.parametrize(
    "text", ["90", "1m", "1m30s", "2H", "1h1", "1w2d", "0", "", "x", "5x", "m"]
)
def test_a_time_is_read_as_openssh_reads_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(f"ConnectTimeout {text}\n")
    done = subprocess.run(
        ["ssh", "-G", "-F", str(tmp_path / "config"), "box"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    theirs = [line.split()[1] for line in done.stdout.splitlines() if "connecttimeout" in line]
    seconds = seconds_of(text)
    assert theirs in ([] if seconds is None else [str(seconds)], ["none"] if not seconds else None)
    config = resolve(parse_target("box"), tmp_path / "config")
    assert connect_s(config) == (seconds or CONNECT_S)


def _openssh(config: Path, typed: str) -> dict[str, list[str]]:
    words = typed.removeprefix("ssh ").split() if typed.startswith("ssh ") else [typed]
    done = subprocess.run(
        ["ssh", "-G", "-F", str(config), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, list[str]] = {}
    for line in done.stdout.removesuffix("\n").split("\n"):
        keyword, _, value = line.partition(" ")
        said.setdefault(keyword, []).append(value)
    return said


def _ours(config: Path, typed: str) -> Config:
    return resolve(parse_target(typed), config)


@pytest.mark.parametrize("name", TABLE)
def test_it_says_what_openssh_says(folder: Path, name: str) -> None:
    text, typed = (part.replace("{folder}", str(folder)) for part in TABLE[name])
    config = folder / "config"
    config.write_text(text)
    if name == "include in itself":  # which OpenSSH refuses after 16 times, and we read no further
        assert _ours(config, typed).user == "in-loop"
        return
    theirs, ours = _openssh(config, typed), _ours(config, typed)
    assert ours.host == theirs["hostname"][0]
    assert str(ours.port) == theirs["port"][0]
    assert ours.user == theirs["user"][0]
    for keyword in SINGLE:
        value = ours.first(keyword)
        if value is None:
            assert theirs.get(keyword, ["none"])[0] in (*SILENT, "", ours.user, "22"), keyword
        else:
            alike = {"yes": "true", "no": "false", "ssh": "22"}
            assert theirs.get(keyword, ["none"])[0] in (value, alike.get(value)), keyword
    assert list(ours.all("certificatefile")) == theirs.get("certificatefile", [])
    if ours.all("identityfile"):
        assert list(ours.all("identityfile")) == theirs["identityfile"]
    else:
        assert theirs["identityfile"][0].startswith("~/.ssh/id_")
    if ours.all("userknownhostsfile"):
        assert " ".join(ours.all("userknownhostsfile")) == theirs["userknownhostsfile"][0]


@pytest.mark.parametrize("sign", ["", "!"])
def test_a_criterion_that_is_not_known_fits_nobody(tmp_path: Path, sign: str) -> None:
    config = tmp_path / "config"
    config.write_text(f"Match {sign}localnetwork 10.0.0.0/8\n Port 9\nMatch all\n User ann\n")
    found = _ours(config, "box")
    assert (found.port, found.user) == (22, "ann")
    assert "match localnetwork" in found.directives


def test_a_pattern_of_many_stars_is_quick() -> None:
    name = "a" * 250
    assert not matches(name, "*a" * 40 + "*b")
    assert matches(name, "*a" * 40 + "*")
    assert not matches(name, "a?" * 100 + "*b*")


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_patterns_are_those_of_a_shell(pattern: str, name: str) -> None:
    assert matches(name, pattern) == fnmatch.fnmatchcase(name, pattern)


@pytest.mark.parametrize("what", ["IdentityFile", "CertificateFile", "UserKnownHostsFile"])
@pytest.mark.parametrize("path", ["/dev/zero", "{folder}/pipe", "{folder}", "/dev/null"])
async def test_a_file_that_never_ends_holds_up_nobody(folder: Path, what: str, path: str) -> None:
    """As a hostile line may name it: `ssh -i /dev/zero …`, `-o UserKnownHostsFile=…`."""
    os.mkfifo(folder / "pipe")
    config = resolve(parse_target(f"ssh -o {what}={path.format(folder=folder)} box"))
    async with asyncio.timeout(10):
        found = await KeyRing().identities(config, cast("Questions", None))
        known = await asyncio.to_thread(known_for, config, folder / "own")
    assert found.keys == []
    assert known.keys("box", 22) == ([], [], [])
    assert len(found.problems) == (what != "UserKnownHostsFile")


async def test_a_key_is_no_longer_than_openssh_takes(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"x" * (LIMIT + 1))
    config = resolve(parse_target(f"ssh -i {tmp_path}/key box"), tmp_path / "none")
    found = await KeyRing().identities(config, cast("Questions", None))
    assert found.keys == []
    assert "more than" in found.problems[0]


@pytest.mark.parametrize("file", ["id_ed25519", "id_ed25519.pub"])
async def test_a_default_key_of_which_only_the_agent_has_the_private_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_public_key() if file.endswith(".pub") else key.export_private_key()
    (tmp_path / ".ssh" / file).write_bytes(text)
    config = resolve(parse_target("box"), tmp_path / "none")
    found = await KeyRing().identities(config, cast("Questions", None))
    assert [one.public_data for one, _ in found.keys] == [key.public_data]


def test_files_that_include_one_another_are_read_to_an_end(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / name).write_text(f"User {name}\nInclude {tmp_path}/*\n")
    (tmp_path / "config").write_text(f"Include {tmp_path}/*\nPort 9\n")
    found = _ours(tmp_path / "config", "box")
    assert (found.user, found.port) == ("a", 9)


def test_a_user_without_a_name_has_to_be_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    (tmp_path / "config").write_text("Match localuser root\n Port 9\n")
    found = _ours(tmp_path / "config", "ann@box")
    assert (found.user, found.port, found.expand("%r@%n")) == ("ann", 22, "ann@box")
    with pytest.raises(BoxError, match="No user is given"):
        _ = _ours(tmp_path / "config", "box").user
