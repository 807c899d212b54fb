"""The probe script itself, on a machine made of stand-ins: what it reads of Docker and of disks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from gptoss_tui.domain.parse.probe import Probe, parse_probe
from gptoss_tui.remote import scripts

TOOLS = ("sh", "grep", "sed", "awk", "head", "tail", "cut", "tr", "cat", "timeout", "id", "uname")
DF = """case $1 in
-Pk) printf 'Filesystem\\n/dev/sda1 1000 1 999 1%% /\\n' ;;
-Pi) printf 'Dateisystem\\n/dev/sda1 6553600 6553590 10 100%% /\\n' ;;
esac"""


class Machine:
    """A folder of programs, all that the script finds besides those of the system's own folders."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.programs = folder / "bin"
        self.home.mkdir()
        self.programs.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.programs / tool).symlink_to(found)

    def stand_in(self, name: str, does: str) -> None:
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{does}\n")
        file.chmod(0o755)

    def look(self, *parts: str, **variables: str) -> Probe:
        done = subprocess.run(
            scripts.command("probe", "index", "index", " ".join(parts)),
            env={"PATH": str(self.programs), "HOME": str(self.home), **variables},
            capture_output=True,
            check=True,
            timeout=60,
        )
        return parse_probe(done.stdout.decode())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def _systemctl(state: str, load: str) -> str:
    return f"case $1 in is-active) echo {state} ;; show) echo LoadState={load} ;; esac"


def test_why_docker_failed_is_read_from_its_journal(machine: Machine) -> None:
    machine.stand_in("systemctl", _systemctl("failed", "loaded"))
    machine.stand_in(
        "journalctl",
        "echo 'level=info msg=\"Starting up\"'\n"
        "echo 'failed to start daemon: Error initializing network controller: no iptables'",
    )
    signs = machine.look("docker_signs").docker
    assert signs.service == "failed"
    assert signs.why.startswith("failed to start daemon: Error initializing network controller")
    assert not signs.masked


def test_a_masked_service_is_told(machine: Machine) -> None:
    machine.stand_in("systemctl", _systemctl("inactive", "masked"))
    signs = machine.look("docker_signs").docker
    assert (signs.service, signs.masked, signs.why) == ("inactive", True, "")


def test_sudo_is_understood_whatever_the_user_speaks(machine: Machine) -> None:
    if os.getuid() == 0:
        machine.programs.joinpath("id").unlink()
        machine.stand_in("id", "echo 1000")
    machine.stand_in(
        "sudo",
        '[ "${LC_ALL:-$LANG}" = C ] && echo "sudo: a password is required" >&2 ||\n'
        '    echo "sudo: Ein Passwort ist notwendig" >&2\nexit 1',
    )
    assert machine.look("docker_signs", LANG="de_DE.UTF-8").sudo == "password"


def test_inodes_are_counted(machine: Machine) -> None:
    machine.stand_in("df", DF)
    probe = machine.look("disks")
    assert {(each.role, each.total, each.free) for each in probe.inodes} >= {
        ("docker", 6553600, 10), ("weights", 6553600, 10),
    }  # fmt: skip
    assert {disk.free_bytes for disk in probe.report.disks} == {999 * 1024}


def test_a_socket_that_the_user_named_goes_first(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        probe = machine.look("docker_signs", DOCKER_HOST=f"unix://{path}")
    assert probe.socket == str(path)


def test_a_link_of_the_cache_that_leads_nowhere_is_told(machine: Machine) -> None:
    (machine.programs / "readlink").symlink_to(shutil.which("readlink") or "")
    cache = machine.home / ".cache"
    cache.mkdir()
    assert machine.look("system").hub_dangling is None
    (cache / "huggingface").symlink_to("/nonexistent/hf")
    assert machine.look("system").hub_dangling == f"{cache}/huggingface -> /nonexistent/hf"


def test_a_home_that_is_not_there_is_told() -> None:
    nobody = 65534 if os.getuid() == 0 else None
    done = subprocess.run(
        scripts.command("probe", "index", "index", "system"),
        env={"PATH": os.defpath, "HOME": "/nonexistent"},
        cwd="/",
        capture_output=True,
        check=True,
        timeout=60,
        user=nobody,
        group=nobody,
        extra_groups=None if nobody is None else [],
    )
    probe = parse_probe(done.stdout.decode())
    assert probe.state_denied == "/nonexistent/.local/state"
    assert probe.hub_denied == "/nonexistent/.cache/huggingface/hub"
