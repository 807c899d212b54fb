"""A user who may not use Docker's socket but may use sudo; and what others may learn of a launch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.box import USER, RealBox
from tests.real.cli import Cli
from tests.real.relay import Relay

IMAGE = "lab/small:1"
API_KEY, HF_TOKEN = "sk-lab-0123456789", "hf_lab0123456789"


@pytest.fixture
def user(box: RealBox) -> tuple[str, ...]:
    return (f"{USER}@box", "-F", str(box.ssh_config))


@pytest.fixture
def secrets(tmp_path: Path) -> tuple[str, ...]:
    key, token = tmp_path / "key", tmp_path / "token"
    key.write_text(API_KEY)
    token.write_text(HF_TOKEN)
    return ("--api-key-file", str(key), "--hf-token-file", str(token))


def test_the_main_job_by_sudo(
    box: RealBox, ssh: Cli, user: tuple[str, ...], secrets: tuple[str, ...]
) -> None:
    (fact,) = ssh.json("check", *user)
    assert fact["body"]["docker"]["via"] == "sudo dial-stdio"
    box.forget_image(IMAGE)
    documents = ssh.json("launch", *user, "--image", IMAGE, "--yes", "--wait", *secrets)
    assert documents[-1]["body"]["state"] == "ready"
    handed = {"api_key": (API_KEY, 0o400), "hf_token": (HF_TOKEN, 0o400)}
    assert box.handed_over("gpt-oss-20b") == handed
    log = ssh.json("logs", *user)
    assert log[0]["body"]["text"] == "small server up"
    ssh.json("stop", *user)
    assert box.containers() == []


def test_cancelling_by_sudo(box: RealBox, relay: Relay, ssh: Cli, user: tuple[str, ...]) -> None:
    box.forget_image(IMAGE)
    relay.hold_after(4 * 1024**2)
    ssh.json("launch", *user, "--image", IMAGE, "--yes")
    assert relay.held.wait(100)
    (fact,) = ssh.json("cancel", *user)
    assert fact["body"]["text"].endswith("Nothing of it remains."), "Docker keeps no half image"
    assert not [line for line in box.processes() if "curl" in line or "helper.sh" in line]


def test_a_launch_under_way_shows_no_secret(
    box: RealBox, relay: Relay, ssh: Cli, secrets: tuple[str, ...]
) -> None:
    where = ("box", "-F", str(box.ssh_config))
    box.forget_image(IMAGE)
    relay.hold_after(4 * 1024**2)
    ssh.json("launch", *where, "--image", IMAGE, "--yes", *secrets)
    assert relay.held.wait(100)
    for process in box.run("ps", "axewww").splitlines():  # with each one's environment
        assert API_KEY not in process
        assert HF_TOKEN not in process
    launches = box.home / ".local/state/gptoss-tui/launches"
    holding = [f for f in launches.rglob("*") if f.is_file() and API_KEY.encode() in f.read_bytes()]
    assert [file.name for file in holding] == ["secrets.tar"]
    seen = ["sudo", "-u", USER, "cat", str(holding[0])]
    assert box.run(*seen, check=False) == ""
    ssh.json("cancel", *where)
    assert not holding[0].exists()


def test_claims_are_not_written_where_another_user_could_bend_them(
    box: RealBox, ssh: Cli, user: tuple[str, ...]
) -> None:
    claims = box.folder / "var_tmp" / "gptoss-tui"
    box.run("rm", "-rf", "/var/tmp/gptoss-tui")
    box.run("mkdir", "-m", "0777", "/var/tmp/gptoss-tui")  # not sticky: anybody may replace a file
    (refused,) = ssh.json("launch", *user, "--image", IMAGE, "--yes", code=4)
    assert "/var/tmp/gptoss-tui belongs to somebody else, or is not sticky" in str(refused["error"])
    assert box.containers() == []
    assert list(claims.iterdir()) == []
    box.run("rm", "-rf", "/var/tmp/gptoss-tui")
