"""What a user types or pastes to name a box."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.errors import UsageError
from gptoss_tui.remote.target import Target, parse_target

TARGETS: list[tuple[str, Target | None]] = [
    ("h100", Target("h100")),
    (" h100 \n", Target("h100")),
    ("root@1.2.3.4:40123", Target("1.2.3.4", 40123, "root")),
    ("1.2.3.4:22", Target("1.2.3.4", 22)),
    ("ssh://root@ssh4.vast.ai:31234", Target("ssh4.vast.ai", 31234, "root")),
    ("ssh://box/", Target("box")),
    ("[2001:db8::1]:2222", Target("2001:db8::1", 2222)),
    ("ann@[::1]", Target("::1", None, "ann")),
    ("2001:db8::1", Target("2001:db8::1")),
    ("fe80::1%eth0", Target("fe80::1%eth0")),
    ("a@b@host", Target("host", None, "a@b")),
    (
        "ssh -p 40123 root@1.2.3.4 -i ~/.ssh/key",
        Target("1.2.3.4", 40123, "root", "~/.ssh/key"),
    ),
    ("ssh root@1.2.3.4 -p40123", Target("1.2.3.4", 40123, "root")),
    ("ssh -p 31234 root@ssh4.vast.ai -L 80:localhost:80", Target("ssh4.vast.ai", 31234, "root")),
    (
        "ssh -tt -A -4 -o StrictHostKeyChecking=no -oUser=x root@box",
        Target(
            "box", None, "root",
            options=("AddressFamily=inet", "StrictHostKeyChecking=no", "User=x"),
        ),
    ),
    ("ssh -l ann -J bast,b2:23 box uptime", Target("box", None, "ann", None, "bast,b2:23")),
    ("ssh 'root@my box'", None),
    ("ssh ssh://root@box:23", Target("box", 23, "root")),
    ('ssh -i "/home/ann/my keys/id" box', Target("box", identity="/home/ann/my keys/id")),
    ("$ ssh -p 1 root@box", Target("box", 1, "root")),
    ("$ box", Target("box")),
    ("/usr/bin/ssh box", Target("box")),
    ("ssh -p 40123 root@1.2.3.4 -D 1080", Target("1.2.3.4", 40123, "root")),
    ("ssh -R 1:h:2 -L80:h:80 root@box -w any", Target("box", None, "root")),
    ("ssh -fN -vvv -qx box -p 2", Target("box", 2)),
    ("ssh -i key -p 40123 root@1.2.3.4 -t bash", Target("1.2.3.4", 40123, "root", "key")),
    ("ssh -J a@b:1 box -- true -p 9", Target("box", None, None, None, "a@b:1")),
    ("ssh box uptime -p 9", Target("box")),
    ("ssh -- box", Target("box")),
    ("ssh -p 1 -p 2 -l ann -l eve box", Target("box", 1, "ann")),
    ("ssh \\\n  -p 23 \\\n  box", Target("box", 23)),
    ("ssh -p ssh root@box", Target("box", 22, "root")),
    ("ssh -p http ssh://root@box:ssh", Target("box", 80, "root")),
    ("ssh://root@box:https", Target("box", 443, "root")),
    (
        "ssh -p 40123 root@1.2.3.4 -i ~/.ssh/id_ed25519 -L 8080:localhost:8080",
        Target("1.2.3.4", 40123, "root", "~/.ssh/id_ed25519"),
    ),
    (
        "ssh root@host -p 22 -o StrictHostKeyChecking=no",
        Target("host", 22, "root", options=("StrictHostKeyChecking=no",)),
    ),
    ("ssh 8xk-64411c0f@ssh.runpod.io -i ~/.ssh/id_ed25519",
     Target("ssh.runpod.io", None, "8xk-64411c0f", "~/.ssh/id_ed25519")),
    ("ssh ubuntu@150.136.1.2", Target("150.136.1.2", None, "ubuntu")),
    ("ssh://user@host:2222", Target("host", 2222, "user")),
    ("ssh://root@[2001:db8::1]:2222", Target("2001:db8::1", 2222, "root")),
    ("ssh -p 2222 root@2001:db8::1", Target("2001:db8::1", 2222, "root")),
    ("ssh -J root@[2001:db8::2]:23,b root@[2001:db8::1]",
     Target("2001:db8::1", None, "root", None, "root@[2001:db8::2]:23,b")),
    ("ssh://me%40corp@box", Target("box", None, "me@corp")),
    ("ssh://root;fingerprint=sha256-x@box", Target("box", None, "root")),
    ("me@laptop:~$ ssh -p 1 root@box", Target("box", 1, "root")),
    ("[me@laptop ~]$ ssh -p 1 root@box", Target("box", 1, "root")),
    ("➜  ~ ssh -p 1 root@box", Target("box", 1, "root")),
    ("❯ ssh -p 1 root@box", Target("box", 1, "root")),
    ("root@laptop:/# ssh ssh", Target("ssh")),
    ("ssh ssh", Target("ssh")),
    ("ssh\u00a0-p\u00a01\u00a0root@box", Target("box", 1, "root")),
    ("ssh root@box -p 1 # the new one", Target("box", 1, "root")),
    ("ssh -i a -i b box", Target("box", identity="a", options=('IdentityFile="b"',))),
    (
        "ssh -c aes128-ctr -m hmac-sha2-256 -b 1.1.1.1 box",
        Target(
            "box",
            options=("Ciphers=aes128-ctr", "MACs=hmac-sha2-256", "BindAddress=1.1.1.1"),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "target"), TARGETS)
def test_a_target(text: str, target: Target | None) -> None:
    if target is None:
        with pytest.raises(UsageError):
            parse_target(text)
    else:
        assert parse_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "ssh", "ssh -p", "ssh -p x box", "ssh -Z box", "a b", "box:", "box:x", "box:0",
        "box:65536", "box:99999999999", "user@", "@", "-oProxyCommand=id", "ssh -- -oProxyCommand=id",
        "ssh -o ProxyCommand=id box", "ssh -o 'Match exec id' box", "ssh -l '$(id)' box", "-x@box",
        "a`id`@box", "ssh -J '-x,b' box", "x;id", "$(id)",
        "ssh -W a:1 box", "ssh -F file box", "ssh -O exit box", "ssh -I lib.so box", "ssh -G box",
        "ssh -o 'User=$(id)' box", "ssh -o 'HostName $(id)' box", "ssh -o 'HostKeyAlias=a;id' box",
        "ssh -o 'Port=1;id' box", "ssh -o 'ProxyJump=a,$(id)' box", "ssh -o '\"ProxyCommand\" id' box",
        "ssh -o 'User=\"a b\"' box", "ssh -o User=-oProxyCommand=id box", "ssh -o '#' box",
        "ssh -p nosuchservice box", "ssh://box:nosuchservice", "[::1]:", "'' box", "$% box",
        "sudo ssh box", "not a prompt ssh box", "ssh 'box\n'", "'box\n'", "ssh://a%0ab@box",
        "ssh -l 'a\x9b31m' box", "ssh -i 'k\x1b]52;c;x\x07' box", "ssh –p 1 root@box",
        "x" * 9000, "ssh -J " + ",".join("abcdefghijklmnopqrstuvwxyz") + " box",
        "$", "$ $ box", "`id`", "a'b", "host\u202e", "box:\u00b2", "ssh -p 0 box", "box/../x",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_target(text)
    assert refusal.value.message
    assert refusal.value.next_step


@pytest.mark.parametrize(
    "line",
    [
        "sshpass -p hunter2 ssh root@box", "sshpass -phunter2 ssh root@box",
        "ssh://root:hunter2@box", "ssh root:hunter2@box", "ssh://root:hunter2%40@box",
        "ssh -J root:hunter2@jump root@box", "$ sshpass -p hunter2 ssh root@box",
    ],
)  # fmt: skip
def test_a_password_in_a_line_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_target(line)
    assert "asked for" in refusal.value.message
    assert "hunter2" not in f"{refusal.value.message} {refusal.value.next_step}"


@pytest.mark.parametrize(
    "text", ["h100", "root@box:23", "1.2.3.4", "2001:db8::1", "root@[2001:db8::1]:23"]
)
def test_it_prints_as_it_can_be_typed(text: str) -> None:
    assert str(parse_target(text)) == text


@given(st.text(max_size=30) | st.text("ssh -pliJ@:[]0/x ", max_size=24))
def test_anything_is_a_target_or_a_usage_error(text: str) -> None:
    try:
        target = parse_target(text)
    except UsageError:
        return
    assert target.host
    assert not target.host.startswith("-")
    assert not set(target.host) & set(" ;$`'\"|&<>\\\n")
    assert target.port is None or 0 < target.port < 65536
