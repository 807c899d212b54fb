"""The programs that run on a box, on boxes that lack what they would like to use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.real.box import SYSTEM_PATH, RealBox
from tests.real.cli import Cli
from tests.real.relay import Relay

SMALL = ("--image", "lab/small:1", "--yes")
NEEDED = ("nvidia-smi", "docker", "python3", "getent", "ldconfig")


def _path_without(box: RealBox, *missing: str) -> str:
    """A folder with all programs of the system but these."""
    folder = box.folder / f"without-{'-'.join(missing)}"
    folder.mkdir(exist_ok=True)
    for place in reversed(SYSTEM_PATH.split(":")):
        for program in Path(place).glob("*"):
            link = folder / program.name
            if program.name not in missing:
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    shutil.copy(box.folder / "bin/nvidia-smi", folder)
    return str(folder)


def _path_of_busybox(box: RealBox) -> str:
    """A folder where sh and all the small programs are busybox."""
    folder = box.folder / "busybox"
    folder.mkdir(exist_ok=True)
    busybox = shutil.which("busybox")
    assert busybox
    for program in box.run("busybox", "--list").split():
        (folder / program).unlink(missing_ok=True)
        (folder / program).symlink_to(busybox)
    for program in ("python3", "docker", "setsid"):
        found = shutil.which(program, path="/usr/bin:/usr/local/bin")
        if found and not (folder / program).exists():
            (folder / program).symlink_to(found)
    shutil.copy(box.folder / "bin/nvidia-smi", folder)
    return str(folder)


@pytest.fixture(params=["no curl", "busybox"])
def bare(box: RealBox, request: pytest.FixtureRequest) -> tuple[str, ...]:
    path = _path_without(box, "curl") if request.param == "no curl" else _path_of_busybox(box)
    return box.sshd(2206, SetEnv=f"PATH={path}")


def test_the_main_job_on_a_bare_box(box: RealBox, ssh: Cli, bare: tuple[str, ...]) -> None:
    (fact,) = ssh.json("check", *bare)
    assert [gpu["index"] for gpu in fact["body"]["gpus"]] == [0, 1]
    box.forget_image("lab/small:1")
    documents = ssh.json("launch", *bare, *SMALL, "--wait")
    assert documents[-1]["body"]["state"] == "ready"
    assert max(d["body"]["phases"][1]["done_bytes"] or 0 for d in documents[1:]) > 10_000_000
    (status,) = ssh.json("status", *bare)
    assert [i["state"] for i in status["instances"]["body"]["instances"]] == ["ready"]
    assert status["launches"][0]["body"]["state"] == "ready"
    ssh.json("stop", *bare)
    assert box.containers() == []


def test_cancelling_on_a_bare_box(
    box: RealBox, relay: Relay, ssh: Cli, bare: tuple[str, ...]
) -> None:
    box.forget_image("lab/small:1")
    relay.hold_after(4 * 1024**2)
    ssh.json("launch", *bare, *SMALL)
    assert relay.held.wait(100)
    (fact,) = ssh.json("cancel", *bare)
    assert "the layers that were already pulled" in fact["body"]["text"]
    left = [line for line in box.processes() if "http_client.py" in line or "helper.sh" in line]
    assert left == []


def test_an_engine_at_another_socket_is_found_without_a_look(box: RealBox, ssh: Cli) -> None:
    """As a rootless Engine's: the usual place is empty, and `status` does not look first."""
    where = ("box", "-F", str(box.ssh_config))
    ssh.json("launch", *where, *SMALL, "--wait")
    box.run("mkdir", "-p", "/run/user/0")
    box.run("mv", "/var/run/docker.sock", "/run/user/0/docker.sock")
    try:
        (status,) = ssh.json("status", *where)
    finally:
        box.run("mv", "/run/user/0/docker.sock", "/var/run/docker.sock")
    assert [row["name"] for row in status["instances"]["body"]["instances"]] == ["gpt-oss-20b"]
