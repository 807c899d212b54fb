"""The toolkit's script by dnf and by zypper: a recorded run.

No machine with either is at hand: stand-ins with their names record the words they are called with,
and `curl` answers with a file of NVIDIA's layout. What is held is the script: which commands, in
which order, with which files; not dnf and zypper themselves.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gptoss_tui.domain.repair.build import make
from gptoss_tui.domain.repair.types import Survey
from tests.app.make import report

TOOLS = ("sh", "mktemp", "rm", "sed", "grep", "head", "cksum", "sleep", "cat", "mkdir")
REPO = """[nvidia-container-toolkit]
baseurl=https://nvidia.github.io/libnvidia-container/stable/rpm/$basearch
gpgkey=https://nvidia.github.io/libnvidia-container/gpgkey
"""
SYSTEMD = Path("/run/systemd/system").is_dir()  # the script asks this machine
RESTART = "systemctl restart docker" if SYSTEMD else "service docker restart"
MIRROR = "https://mirror.example.org/nvidia"


class Machine:
    """A folder of programs, all that the script finds; `calls` are those that were recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.log = folder / "calls"
        self.log.touch()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.programs / tool).symlink_to(found)
        (folder / "repo").write_text(REPO)
        self.stand_in("curl", f'cp() {{ cat <"{folder}/repo" >"$1"; }}; cp "$3"')
        # Files outside of the folder are not written: `install` keeps them here.
        self.stand_in("install", f'for last; do :; done; cat <"$4" >"{folder}/${{last##*/}}"')
        for name in ("service", "systemctl", "journalctl"):
            self.stand_in(name, f': >"{folder}/restarted"')
        self.stand_in("nvidia-smi", "")
        self.stand_in(
            "docker",
            f"""case "$1" in
                info) [ ! -e "{folder}/restarted" ] || echo '{{"nvidia":{{}}}}' ;;
                images) echo ubuntu:latest ;;
            esac""",
        )

    def stand_in(self, name: str, does: str) -> None:
        file = self.programs / name
        file.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.log}"\n{does}\n')
        file.chmod(0o755)

    def manager(self, name: str) -> None:
        """A package manager that "installs" the two programs which the script looks for."""
        ctk = f'echo "nvidia-ctk $*" >>"{self.log}"'
        self.stand_in(
            name,
            f"""case "$*" in *nvidia-container-toolkit)
                for made in nvidia-ctk nvidia-container-runtime; do
                    printf '#!/bin/sh\\n%s\\n' '{ctk}' >"{self.programs}/$made"
                    chmod +x "{self.programs}/$made"
                done
            esac""",
        )
        (self.programs / "chmod").symlink_to(shutil.which("chmod") or "/bin/chmod")

    def run(self, script: str) -> tuple[int, list[str]]:
        self.log.write_text("")
        done = subprocess.run(
            [str(self.programs / "sh"), "-c", script],
            env={"PATH": str(self.programs), "TMPDIR": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.said = done.stdout + done.stderr
        return done.returncode, self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("manager", "folder", "installs"),
    [
        ("dnf", "/etc/yum.repos.d", "dnf install -y nvidia-container-toolkit"),
        (
            "zypper",
            "/etc/zypp/repos.d",
            "zypper --non-interactive --gpg-auto-import-keys install -y nvidia-container-toolkit",
        ),
    ],
)
def test_the_documented_commands_in_their_order(
    machine: Machine, manager: str, folder: str, installs: str
) -> None:
    machine.manager(manager)
    made = make("toolkit", report(), Survey(running=()), repository=MIRROR)
    code, calls = machine.run(made.script)
    assert code == 0, machine.said
    wanted = [
        f"curl -fsSL -o {machine.folder}/",  # then mktemp's name
        "install -D -m 0644 ",
        installs,
        "nvidia-ctk runtime configure --runtime=docker",
        RESTART,
        "docker run --rm --security-opt label=disable --runtime=nvidia --gpus all --entrypoint "
        "nvidia-smi ubuntu:latest -L",
    ]
    at = -1
    for words in wanted:
        at = next((n for n, call in enumerate(calls) if n > at and call.startswith(words)), -1)
        assert at >= 0, (words, calls)
    (fetched,) = (call for call in calls if call.startswith("curl"))
    assert fetched.endswith(f"{MIRROR}/stable/rpm/nvidia-container-toolkit.repo")
    (put,) = (call for call in calls if call.startswith("install"))
    assert put.endswith(f"{folder}/nvidia-container-toolkit.repo")
    written = (machine.folder / "nvidia-container-toolkit.repo").read_text()
    assert f"baseurl={MIRROR}/stable/rpm/$basearch" in written
    assert f"gpgkey={MIRROR}/gpgkey" in written

    again, calls = machine.run(made.script)
    assert again == 0, machine.said
    assert installs not in calls
    assert RESTART not in calls
    assert "installed already" in machine.said


def test_a_machine_with_no_known_package_manager_says_so(machine: Machine) -> None:
    code, calls = machine.run(make("toolkit", report(), Survey(running=())).script)
    assert code == 1
    assert "neither apt-get nor dnf nor zypper" in machine.said
    assert not [call for call in calls if call.startswith(("docker", "service"))]


def test_a_download_that_fails_ends_it_before_anything_is_installed(machine: Machine) -> None:
    machine.manager("dnf")
    machine.stand_in("curl", "exit 22")
    code, calls = machine.run(make("toolkit", report(), Survey(running=())).script)
    assert code == 22
    assert [call.partition(" ")[0] for call in calls] == ["curl"]
