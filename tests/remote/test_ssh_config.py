"""Our reading of an ssh config against `ssh -G`, OpenSSH's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gptoss_tui.remote.ssh_config import Config, resolve
from gptoss_tui.remote.ssh_options import CONNECT_S, connect_s, seconds_of
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
    for line in done.stdout.splitlines():
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
