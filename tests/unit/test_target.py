"""What a user types or pastes to name a box."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.errors import UsageError
from gptoss_tui.remote.target import Target, parse_target


@pytest.mark.parametrize(
    ("text", "target"),
    [
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
                options=("StrictHostKeyChecking=no", "User=x", "AddressFamily=inet"),
            ),
        ),
        ("ssh -l ann -J bast,b2:23 box uptime", Target("box", None, "ann", None, "bast,b2:23")),
        ("ssh 'root@my box'", None),
        ("ssh ssh://root@box:23", Target("box", 23, "root")),
        ('ssh -i "/home/ann/my keys/id" box', Target("box", identity="/home/ann/my keys/id")),
    ],
)  # fmt: skip
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
        "`id`", "a'b", "host\u202e", "box:\u00b2", "ssh -p 0 box", "box/../x",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_target(text)
    assert refusal.value.message
    assert refusal.value.next_step


@pytest.mark.parametrize("text", ["h100", "root@box:23", "1.2.3.4"])
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
