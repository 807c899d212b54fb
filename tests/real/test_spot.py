"""A spot box behind a real sshd: the notice is seen through its forwarding, and drained on.

The metadata service is stood in for, and what the firmware says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.real.box import HERE, RealBox
from tests.real.cli import Cli
from tests.real.waiting import until

SMALL = ("--image", "lab/small:1", "--yes")


@pytest.fixture
def spot_box(box: RealBox, tmp_path: Path) -> Iterator[Path]:
    """The box is in EC2; the folder is the one of its metadata service."""
    box.run("mount", "-t", "tmpfs", "tmpfs", "/sys/class")
    box.run("mkdir", "-p", "/sys/class/dmi/id")
    box.run("sh", "-c", "echo Amazon EC2 >/sys/class/dmi/id/sys_vendor")
    box.run("ip", "address", "add", "169.254.169.254/32", "dev", "lo")
    service = subprocess.Popen(box.enter(sys.executable, str(HERE / "metadata.py"), str(tmp_path)))
    up = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://169.254.169.254/")
    try:
        until("the metadata service answers", lambda: box.run(*up, check=False) == "401")
        (tmp_path / "asked").unlink()
        yield tmp_path
    finally:
        box.run("pkill", "-f", str(HERE / "metadata.py"), check=False)
        service.wait()
        box.run("ip", "address", "del", "169.254.169.254/32", "dev", "lo")
        box.run("umount", "/sys/class")


def _until_asked(folder: Path) -> None:
    """The watch has begun, and there is no notice."""
    asked = folder / "asked"

    def often() -> bool:
        return asked.exists() and asked.read_text().count("instance-action 404") > 1

    until("it was asked", often)


def _notice(folder: Path) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=119)).strftime("%Y-%m-%dT%H:%M:%SZ")
    part = folder / "instance-action.part"
    part.write_text(json.dumps({"action": "terminate", "time": at}))
    part.rename(folder / "instance-action")


def test_a_notice_is_seen_and_the_server_drained(box: RealBox, ssh: Cli, spot_box: Path) -> None:
    where = ("box", "-F", str(box.ssh_config))
    ssh.json("launch", *where, *SMALL, "--wait")
    (status,) = ssh.json("status", *where)
    assert status["spot"] is None
    waiting = ssh.start("spot", *where, "--drain", "--json")
    _until_asked(spot_box)
    _notice(spot_box)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    first, *_, last = [json.loads(line) for line in out.splitlines()]
    assert first["body"]["action"] == "terminate"
    assert 100 < first["body"]["left_s"] <= 119
    assert last == {"box": "box", "drained": ["gpt-oss-20b"]}
    assert box.docker("ps", "-a", "--format", "{{.State}}").split() == ["exited"]
    (after,) = ssh.json("status", *where)
    assert after["spot"]["body"]["cloud"] == "aws"
    ssh.json("restart", *where, "--wait")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("off", ("answered 403", "--http-endpoint enabled")),
        ("far", ("answered 401", "--http-put-response-hop-limit 2")),
    ],
)
def test_a_service_that_refuses_is_no_no(
    box: RealBox, ssh: Cli, spot_box: Path, state: str, told: tuple[str, str]
) -> None:
    (spot_box / state).touch()
    where = ("box", "-F", str(box.ssh_config))
    try:
        (refusal,) = ssh.json("spot", *where, code=3)
        (status,) = ssh.json("status", *where)
    finally:
        (spot_box / state).unlink()
    says, helps = told
    assert status["spot"] is None
    assert says in status["spot_problem"]
    assert says in refusal["error"]["message"]
    assert helps in refusal["error"]["next_step"]


def test_a_drain_outlives_a_connection_that_the_box_ends(
    box: RealBox, ssh: Cli, spot_box: Path
) -> None:
    """The sshd process of the connection is killed the moment the notice is told."""
    where = ("box", "-F", str(box.ssh_config))
    ssh.json("launch", *where, *SMALL, "--wait")
    waiting = ssh.start("spot", *where, "--drain", "--json")
    _until_asked(spot_box)
    _notice(spot_box)
    assert waiting.stdout is not None
    assert json.loads(waiting.stdout.readline())["body"]["action"] == "terminate"
    box.run("pkill", "-f", "sshd.*@notty", check=False)
    out, err = waiting.communicate(timeout=90)
    assert waiting.returncode == 0, err
    assert json.loads(out.splitlines()[-1]) == {"box": "box", "drained": ["gpt-oss-20b"]}
    assert box.docker("ps", "-a", "--format", "{{.State}}").split() == ["exited"]
    box.docker("rm", "-f", "gpt-oss-20b")


def test_any_other_box_is_not_asked(box: RealBox, ssh: Cli, spot_box: Path) -> None:
    box.run("sh", "-c", "echo Supermicro >/sys/class/dmi/id/sys_vendor")
    where = ("box", "-F", str(box.ssh_config))
    (status,) = ssh.json("status", *where)
    assert status["spot"] is None
    (refusal,) = ssh.json("spot", *where, code=7)
    assert refusal["error"]["code"] == "not_found"
    assert not (spot_box / "asked").exists()
