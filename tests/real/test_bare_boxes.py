"""The programs that run on a box, on boxes that lack what they would like to use."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.real.box import SYSTEM_PATH, RealBox
from tests.real.cli import Cli
from tests.real.relay import Relay
from tests.real.waiting import until

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
    assert fact["body"]["text"].endswith("Nothing of it remains."), "Docker keeps no half image"
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


# --- what the preflight finds on boxes that are broken -------------------------------------------


def _with_programs(box: RealBox, **scripts: str) -> tuple[str, ...]:
    """The box with other programs in front of its own (`_` for `-`): the words that name it."""
    folder = box.folder / f"instead-{'-'.join(scripts)}"
    folder.mkdir(exist_ok=True)
    for name, script in scripts.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return box.sshd(2207, SetEnv=f"PATH={folder}:{box.path}")


def _found(ssh: Cli, where: tuple[str, ...], code: int = 0) -> dict[str, dict[str, str]]:
    (fact,) = ssh.json("check", *where, code=code)
    return {each["code"]: each for each in fact["body"]["findings"]}


HANGS = "trap '' TERM INT HUP; while :; do sleep 61; done"


def test_what_hangs_is_a_finding_and_does_not_hang_the_look(box: RealBox, ssh: Cli) -> None:
    """A driver that hangs in the kernel, and a network that swallows everything."""
    where = _with_programs(box, nvidia_smi=HANGS, curl=HANGS)
    began = time.monotonic()
    found = _found(ssh, where, code=1)
    assert time.monotonic() - began < 40  # on a machine with nothing else to do: 10
    assert found["gpu_hung"]["level"] == "blocker"
    assert "no answer in time" in found["hub_unreachable"]["what"]
    assert found["docker"]["level"] == "ok"  # the rest of the look is there
    until("none is left", lambda: not [line for line in box.processes() if "sleep 61" in line])


def test_several_things_wrong_at_once_are_each_found(box: RealBox, ssh: Cli) -> None:
    where = _with_programs(
        box,
        date="exec /usr/bin/date -d '-1 day' \"$@\"",
        dmesg="echo '[ 1.0] NVRM: Xid (PCI:0000:01:00): 48, pid=1, DBE (double bit error)'",
        # An old driver, which knows few fields.
        nvidia_smi="case $1 in *uuid* | *driver_version*) "
        "echo 'Field \"uuid\" is not a valid field to query.'; exit 2 ;; "
        "--query-gpu=*) echo '0, 15360, 0, 0, 7.5, 70, [N/A], Tesla T4' ;; esac",
    )
    found = _found(ssh, where, code=1)
    assert "1 day behind" in found["clock_off"]["what"]
    assert "XID 48" in found["gpu_xid"]["what"]
    assert "GPU 0 (Tesla T4)" in found["gpu_too_old"]["what"]
    assert "its name is not found (DNS)" in found["hub_unreachable"]["what"]
    assert "registry_mirror" in found  # its Docker pulls through one


def test_an_updated_driver_before_the_reboot(box: RealBox, ssh: Cli) -> None:
    said = "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18"
    found = _found(ssh, _with_programs(box, nvidia_smi=said), code=1)
    assert [each["code"] for each in found.values() if each["level"] == "blocker"] == [
        "driver_mismatch"
    ]


def test_without_curl_python_asks_the_network(box: RealBox, ssh: Cli) -> None:
    found = _found(ssh, box.sshd(2208, SetEnv=f"PATH={_path_without(box, 'curl')}"))
    assert "its name is not found (DNS)" in found["hub_unreachable"]["what"]
    assert not [each for each in found.values() if each["level"] == "blocker"]


def test_a_box_with_neither_curl_nor_python_says_what_it_lacks(box: RealBox, ssh: Cli) -> None:
    path = _path_without(box, "curl", "python3")
    found = _found(ssh, box.sshd(2209, SetEnv=f"PATH={path}"), code=1)
    assert "curl (or python3)" in found["tools"]["what"]


def test_a_taken_port_names_the_program(box: RealBox, ssh: Cli) -> None:
    box.folder.joinpath("listen.py").write_text(
        "import socket\ns = socket.create_server(('127.0.0.1', 8000))\ns.accept()\n"
    )
    listener = subprocess.Popen(
        box.enter("python3", str(box.folder / "listen.py")), stdin=subprocess.DEVNULL
    )
    where = ("box", "-F", str(box.ssh_config))
    try:
        until("it listens", lambda: ":8000" in box.run("ss", "-Hltn"))
        found = _found(ssh, where)
    finally:
        box.run("pkill", "-f", "listen.py", check=False)
        listener.wait(timeout=30)
    assert "Port 8000 is taken by python3" in found["port_taken"]["what"]
