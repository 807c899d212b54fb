"""The probe script itself, on a machine made of stand-ins: what it reads of Docker and of disks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import get_args

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

    def look(
        self,
        *parts: str,
        etc_docker: Path | None = None,
        mounts: Path | None = None,
        **variables: str,
    ) -> Probe:
        """`etc_docker` and `mounts` stand in for /etc/docker and /proc/mounts of the test's machine."""
        words = scripts.command("probe", "index", "index", " ".join(parts))
        if etc_docker is not None:
            words = tuple(word.replace("/etc/docker", str(etc_docker)) for word in words)
        if mounts is not None:
            words = tuple(word.replace("/proc/mounts", str(mounts)) for word in words)
        done = subprocess.run(
            words,
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


SETTINGS = """{
  "runtimes": {"nvidia": {"path": "nvidia-container-runtime"}},
}"""


def test_broken_settings_are_read_where_the_journal_is_shut(
    machine: Machine, tmp_path: Path
) -> None:
    """As a user without sudo: the journal tells nothing, the file itself does."""
    (machine.programs / "python3").symlink_to(sys.executable)
    machine.stand_in("systemctl", _systemctl("failed", "loaded"))
    machine.stand_in("journalctl", "exit 1")
    (tmp_path / "daemon.json").write_text(SETTINGS)
    signs = machine.look("docker_signs", etc_docker=tmp_path).docker
    assert signs.why.startswith(f"{tmp_path}/daemon.json cannot be read: ")
    # Python 3.13 points at the comma, older ones at what follows it.
    assert signs.why.endswith(("line 2 column 63", "line 3 column 1"))


def test_a_runtime_that_is_not_where_docker_looks_is_told(machine: Machine, tmp_path: Path) -> None:
    path = "/usr/local/nvidia/toolkit/nvidia-container-runtime"
    (tmp_path / "daemon.json").write_text(f'{{"runtimes": {{"nvidia": {{"path": "{path}"}}}}}}')
    assert machine.look("docker_signs", etc_docker=tmp_path).toolkit.gone == path


@pytest.mark.parametrize(
    "line",
    [
        "Loading of module with unavailable key is rejected",
        "Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7",
    ],
)
def test_a_module_that_the_kernel_refused_is_told(machine: Machine, line: str) -> None:
    machine.stand_in("dmesg", f"echo '[    0.0] Linux version'; echo '[    9.1] {line}'")
    assert machine.look("kernel_log").kernel_log.key_rejected


def test_a_masked_socket_is_told(machine: Machine) -> None:
    machine.stand_in(
        "systemctl",
        'case $1 in is-active) echo inactive ;; show) for unit in "$@"; do case $unit in\n'
        "*.socket) echo LoadState=masked ;; *.service) echo LoadState=loaded ;; esac; done ;; esac",
    )
    assert machine.look("docker_signs").docker.masked


SAID = """GPU 00000000:5D:00.0
    Product Name                          : GRID A100D-80C
    vGPU Software Licensed Product
        Product Name                      : NVIDIA Virtual Compute Server
        License Status                    : Unlicensed (Unrestricted)
    PCI
        GPU Link Info
            PCIe Generation
                Max                       : 4
                Current                   : 1
            Link Width
                Max                       : 16x
                Current                   : 1x
    Fabric
        State                             : In Progress
        Status                            : N/A
GPU 00000000:5E:00.0
            Link Width
                Max                       : N/A
                Current                   : N/A
    Fabric
        State                             : Completed
GPU 00000009:01:00.0
    Product Name                          : NVIDIA GH200 480GB
    GPU C2C Mode                          : Enabled
            Link Width
                Max                       : 16x
                Current                   : 1x"""


def test_what_nvidia_smi_tells_at_length_is_read(machine: Machine) -> None:
    machine.stand_in("nvidia-smi", f"[ \"$*\" = -q ] && cat <<'X'\n{SAID}\nX")
    detail = machine.look("detail").detail
    assert detail.licenses == ("Unlicensed (Unrestricted)",)
    assert detail.fabric == {"In Progress", "Completed"}
    assert [(link.index, link.lanes, link.most) for link in detail.links] == [(0, 1, 16)]


@pytest.mark.parametrize("script", get_args(scripts.Script))
def test_a_user_of_fish_gets_the_same_script(script: scripts.Script) -> None:
    """In quotes, fish halves doubled backslashes: https://fishshell.com/docs/current/language.html"""
    assert "\\\\" not in scripts.command(script)[2]


def test_the_disk_with_the_most_room_is_told(machine: Machine, tmp_path: Path) -> None:
    """Of folders alone: a container has /etc/hosts mounted, from a disk that may be large."""
    small, large, hosts = tmp_path / "small", tmp_path / "large", tmp_path / "hosts"
    small.mkdir()
    large.mkdir()
    hosts.touch()
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/a {small} ext4 rw 0 0\n/dev/b {large} xfs rw 0 0\n/dev/c {hosts} ext4 rw 0 0\n"
    )
    machine.stand_in(
        "df",
        f"""echo F
for at; do case $at in
{small}) echo "/dev/a 9 1 8 1% $at" ;;
{large}) echo "/dev/b 900 1 899 1% $at" ;;
{hosts}) echo "/dev/c 9999 1 9998 1% $at" ;;
esac; done""",
    )
    found = machine.look("disks", mounts=mounts).largest_free
    assert found is not None
    assert (found.path, found.free_bytes) == (str(large), 899 * 1024)


def test_without_a_disk_of_its_own_a_box_has_none_with_room(
    machine: Machine, tmp_path: Path
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("overlay / overlay rw 0 0\ntmpfs /run tmpfs rw 0 0\n")
    machine.stand_in("df", "printf 'F\\n/dev/x 900 1 899 1%% /run\\n'")
    assert machine.look("disks", mounts=mounts).largest_free is None


def test_a_file_system_that_nobody_may_write_to_is_told(machine: Machine) -> None:
    """/proc is there on every Linux, and nothing can be kept in it; sysfs is often read-only."""
    shut = next(
        (words[1] for line in Path("/proc/mounts").read_text().splitlines()
         if (words := line.split())[3].split(",")[0] == "ro"),
        None,
    )  # fmt: skip
    if shut is None:
        pytest.skip("nothing is mounted read-only here")
    machine.stand_in("df", f"printf 'F\\n/dev/sda1 1 1 1 1%% {shut}\\n'")
    assert machine.look("disks").read_only == {"docker": shut, "weights": shut}


def test_a_disk_that_can_be_written_to_is_no_trouble(machine: Machine) -> None:
    assert "weights" not in machine.look("disks").read_only
