"""What the connection itself needs of a real sshd: channels, sessions, keys, refusals."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.real.box import RealBox
from tests.real.cli import Cli
from tests.real.waiting import until

SMALL = ("--image", "lab/small:1", "--yes", "--wait")


@pytest.fixture
def where(box: RealBox) -> tuple[str, ...]:
    return ("box", "-F", str(box.ssh_config))


def test_a_killed_client_leaves_nothing_behind(
    box: RealBox, ssh: Cli, where: tuple[str, ...]
) -> None:
    ssh.json("launch", *where, *SMALL)
    until("the launch has let go", lambda: "sleep 1" not in box.processes())
    before = sorted(box.processes())
    clients = [
        ssh.start("logs", *where, "--follow", "--json"),
        ssh.start("forward", *where, "--json"),
    ]
    for client in clients:
        assert client.stdout is not None
        assert client.stdout.readline().startswith("{")
    for client in clients:
        client.send_signal(signal.SIGKILL)
        client.communicate()
    until("the box is as before", lambda: sorted(box.processes()) == before, timeout_s=30)


def test_without_socket_forwarding_docker_is_reached_by_dial_stdio(box: RealBox, ssh: Cli) -> None:
    where = box.sshd(2202, AllowStreamLocalForwarding="no")
    (fact,) = ssh.json("check", *where)
    assert fact["body"]["docker"]["via"] == "dial-stdio"
    documents = ssh.json("launch", *where, *SMALL)
    assert documents[-1]["body"]["state"] == "ready"
    log = ssh.json("logs", *where)
    assert log[0]["body"]["text"] == "small server up"
    ssh.json("stop", *where)
    assert box.containers() == []


def test_without_any_forwarding_everything_goes_through_sessions(box: RealBox, ssh: Cli) -> None:
    where = box.sshd(2203, DisableForwarding="yes")
    documents = ssh.json("launch", *where, *SMALL)
    assert documents[-1]["body"]["state"] == "ready"
    (status,) = ssh.json("status", *where)
    assert [i["state"] for i in status["instances"]["body"]["instances"]] == ["ready"]
    forward = ssh.start("forward", *where, "--json")
    assert forward.stdout is not None
    url = json.loads(forward.stdout.readline())["base_url"]
    with urllib.request.urlopen(f"{url}/models", timeout=30) as reply:
        assert json.load(reply)["data"]
    forward.send_signal(signal.SIGINT)
    forward.wait(30)
    assert box.log_of_sshd(2203).most_sessions_at_once() <= 6
    left = [line for line in box.processes() if "gptoss-dial" in line or "dial-stdio" in line]
    assert left == []
    ssh.json("stop", *where)


@pytest.mark.parametrize("most", [6, 2])
def test_few_sessions_are_enough(box: RealBox, ssh: Cli, most: int) -> None:
    where = box.sshd(2204, MaxSessions=str(most))
    documents = ssh.json("launch", *where, *SMALL)
    assert documents[-1]["body"]["state"] == "ready"
    assert (most < 6) or not box.log_of_sshd(2204).count("no more sessions")


def test_an_unknown_host_key_is_asked_about_and_a_changed_one_refused(
    box: RealBox, ssh: Cli, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    known = tmp_path / "known_hosts"
    config.write_text(
        f"Host box\n  HostName {box.address}\n  User root\n  IdentityFile {box.folder}/id\n"
        f"  UserKnownHostsFile {known}\n"
    )
    where = ("box", "-F", str(config))
    (unknown,) = ssh.json("check", *where, code=3)
    assert unknown["error"]["code"] == "host_key_unknown"
    assert unknown["error"]["fingerprint"].startswith("SHA256:")
    ssh.json("check", *where, "--accept-new")
    ssh.json("check", *where)

    other = (box.folder / "id.pub").read_text().split()
    known.write_text(f"{box.address} {other[0]} {other[1]}\n")
    (changed,) = Cli(tmp_path / "elsewhere").json("check", *where, "--accept-new", code=3)
    assert changed["error"]["code"] == "host_key_changed"
    assert str(known) in changed["error"]["message"]


def test_a_login_that_is_refused(box: RealBox, ssh: Cli) -> None:
    where = box.sshd(2205, AuthorizedKeysFile="/nowhere")
    (refused,) = ssh.json("check", *where, code=3)
    assert refused["error"]["code"] == "auth_refused"


def test_a_box_where_nothing_listens(box: RealBox, ssh: Cli) -> None:
    (refused,) = ssh.json("check", "box:2299", "-F", str(box.ssh_config), code=3)
    assert refused["error"]["code"] == "unreachable"
