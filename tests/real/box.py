"""A GPU box for tests: real sshd, Docker Engine and processes, in namespaces of this machine.

Nothing of the machine itself is touched: the box has its own /run, /var/lib/docker, users,
processes and network, joined to ours by one virtual cable. Only its `nvidia-smi` is stood in for.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real.waiting import until

HERE = Path(__file__).resolve().parent
USER = "operator"  # may not use Docker but by sudo
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


_numbers = itertools.count()


@dataclass(frozen=True)
class Kind:
    """What a box has: Docker or none, GPUs for containers or none, how much room for images."""

    docker: bool = True
    gpu_runtime: bool = True
    disk_mib: int | None = None


class RealBox:
    """The box's folder, its address, its first process, and ways to look into it."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        number = next(_numbers) % 63
        network = f"198.18.{os.getpid() % 256}"
        self.folder = folder
        self.kind = kind
        self.address = f"{network}.{4 * number + 2}"
        self.gateway = f"{network}.{4 * number + 1}"
        self.cable = f"gptoss{os.getpid() % 65536:x}n{number}"
        self.home = folder / "home"
        self.user_home = folder / "home-of-user"
        self.path = f"{folder}/bin:{SYSTEM_PATH}"
        self.pid = 0
        self._servers: list[str] = []

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    def enter(self, *argv: str) -> list[str]:
        """The argument list that runs `argv` inside the box."""
        return ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u", "-r", *argv]

    def environment(self, **extra: str) -> dict[str, str]:
        return {"PATH": self.path, "HOME": str(self.home), "LANG": "C.UTF-8", **extra}

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a program in the box, as root; its output."""
        done = subprocess.run(
            self.enter(*argv),
            env=self.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def docker(self, *argv: str, check: bool = True) -> str:
        return self.run("docker", *argv, check=check)

    def containers(self) -> list[str]:
        return self.docker("ps", "-a", "--format", "{{.Names}}").split()

    def handed_over(self, container: str) -> dict[str, tuple[str, int]]:
        """The secrets that lie in a container: content and permissions by name."""
        copy = self.folder / "handed-over"
        self.docker("cp", f"{container}:/run/gptoss-tui", str(copy))
        try:
            return {f.name: (f.read_text(), f.stat().st_mode & 0o777) for f in copy.iterdir()}
        finally:
            shutil.rmtree(copy)

    def processes(self) -> list[str]:
        """The command lines of all that runs in the box, containers included."""
        return self.run("ps", "-ww", "-eo", "args=").splitlines()

    def clear(self) -> None:
        """Remove what a test left: launches, containers, the small image."""
        self.run("pkill", "-9", "-f", "bin/gptoss-tui", check=False)
        self.kill_helpers()
        for name in self.containers():
            self.docker("rm", "-f", "-v", name)
        for home in (self.home, self.user_home):
            shutil.rmtree(home / ".local", ignore_errors=True)
        for claim in (self.folder / "var_tmp").glob("gptoss-tui/*"):
            claim.unlink()
        for server in self._servers:
            self.run("kill", server, check=False)
        self._servers.clear()

    def kill_helpers(self) -> None:
        """End launches the hard way, as a crash would."""
        for pid in self.run("pgrep", "-f", "launches/.*/helper.sh", check=False).split():
            self.run("kill", "-9", "--", f"-{pid}", check=False)

    def forget_image(self, image: str) -> None:
        """By its id: under another name that a test gave it, its layers would stay."""
        for number in set(self.docker("images", "-q", image).split()):
            self.docker("rmi", "-f", number)

    def sshd(self, port: int, **options: str) -> tuple[str, ...]:
        """One more sshd for this test, on another port; the words that name it as a BOX."""
        config = self.folder / f"sshd_config.{port}"
        pid_file = self.folder / f"sshd.pid.{port}"
        pid_file.unlink(missing_ok=True)
        config.write_text(_sshd_config(self, port, options))
        self.run("/usr/sbin/sshd", "-f", str(config), "-E", str(self.folder / f"sshd.log.{port}"))
        pid = until("sshd is up", lambda: pid_file.exists() and pid_file.read_text().strip())
        self._servers.append(str(pid))
        return (f"box:{port}", "-F", str(self.ssh_config))

    def log_of_sshd(self, port: int = 22) -> SshdLog:
        return SshdLog(self.folder / ("sshd.log" if port == 22 else f"sshd.log.{port}"))


class SshdLog:
    """What an sshd noted from now on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._begin = file.stat().st_size if file.exists() else 0

    def lines(self) -> list[str]:
        with self._file.open("rb") as file:
            file.seek(self._begin)
            return file.read().decode().splitlines()

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, line)) for line in self.lines())

    def most_sessions_at_once(self) -> int:
        most = now = 0
        for line in self.lines():
            now += line.startswith("Starting session:")
            now -= line.startswith("Close session:")
            most = max(most, now)
        return most


@contextmanager
def real_box(registry_port: int, kind: Kind = Kind()) -> Iterator[RealBox]:
    """A running box, whose Docker pulls through a mirror at its gateway's `registry_port`."""
    with tempfile.TemporaryDirectory(prefix="gptoss-box-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        box = RealBox(folder, kind)
        _furnish(box, registry_port)
        with _started(box):
            yield box


def _furnish(box: RealBox, registry_port: int) -> None:
    folder, mirror = box.folder, f"{box.gateway}:{registry_port}"
    for part in ("bin", "etc", "home"):
        (folder / part).mkdir()
    shutil.copy(HERE / "stand_ins" / "nvidia-smi", folder / "bin")
    if box.kind.gpu_runtime:
        # With a program of this name on its path, the Engine hands out GPUs; here it has none to.
        hook = folder / "bin" / "nvidia-container-runtime-hook"
        hook.write_text("#!/bin/sh\nexit 0\n")
        hook.chmod(0o755)
    if box.kind.docker:
        (folder / "dockerd.options").write_text(
            "-H unix:///var/run/docker.sock --data-root /var/lib/docker --exec-root /run/docker "
            "--pidfile /run/docker.pid "
            f"--registry-mirror http://{mirror} --insecure-registry {mirror}"
        )
    etc = folder / "etc"
    (etc / "passwd").write_text(
        f"root:x:0:0:root:{box.home}:/bin/bash\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
        f"{USER}:x:1000:1000::{box.user_home}:/bin/sh\n"
    )
    (etc / "group").write_text(f"root:x:0:\nnogroup:x:65534:\n{USER}:x:1000:\n")
    (etc / "shadow").write_text(f"root:*:20000:0:99999:7:::\n{USER}:*:20000:0:99999:7:::\n")
    (etc / "sudoers").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    (etc / "sudoers").chmod(0o440)
    box.user_home.mkdir()
    os.chown(box.user_home, 1000, 1000)
    (etc / "hosts").write_text("127.0.0.1 localhost real-box\n::1 localhost\n")
    (etc / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    for key in ("host_key", "id"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True
        )
    shutil.copy(folder / "id.pub", folder / "authorized_keys")
    (folder / "sshd_config").write_text(_sshd_config(box, 22, {}))
    host_key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"{box.address} {host_key}\n")
    box.ssh_config.write_text(
        f"Host box\n  HostName {box.address}\n"
        f"Host *\n  User root\n  IdentityFile {folder}/id\n"
        f"  UserKnownHostsFile {folder}/known_hosts\n"
    )


def _sshd_config(box: RealBox, port: int, options: dict[str, str]) -> str:
    settings = {
        "Port": str(port),
        "ListenAddress": box.address,
        "HostKey": f"{box.folder}/host_key",
        "AuthorizedKeysFile": f"{box.folder}/authorized_keys",
        "PidFile": "none" if port == 22 else f"{box.folder}/sshd.pid.{port}",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "yes",
        "LogLevel": "VERBOSE",
        "MaxSessions": "10",
        "SetEnv": f"PATH={box.path}",
        **options,
    }
    return "".join(f"{key} {value}\n" for key, value in settings.items())


@contextmanager
def _started(box: RealBox) -> Iterator[None]:
    spaces = ("--mount", "--pid", "--net", "--uts", "--fork", "--kill-child", "--mount-proc")
    log = (box.folder / "box.log").open("w")
    outer = subprocess.Popen(
        # However this process ends, the box ends with it.
        [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            *spaces,
            str(HERE / "box_init.sh"),
            str(box.folder),
            box.address,
        ],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        text=True,
        env={**os.environ, "DISK_MIB": str(box.kind.disk_mib or "")},
    )
    try:
        box.pid = int(until("the box's first process", lambda: _children(outer.pid))[0])
        _ip("link", "add", box.cable, "type", "veth", "peer", "name", "eth0", "netns", str(box.pid))
        _ip("address", "add", f"{box.gateway}/30", "dev", box.cable)
        _ip("link", "set", box.cable, "up")
        assert outer.stdin is not None
        outer.stdin.write("go\n")
        outer.stdin.flush()
        until("sshd listens", lambda: _answers(box.address, 22))
        if box.kind.docker:
            until("dockerd answers", lambda: _engine_answers(box), timeout_s=60)
        yield
    finally:
        # The end of the first process is the end of all others, and of the cable.
        with contextlib.suppress(ProcessLookupError):
            os.kill(box.pid or outer.pid, 9)
        outer.wait(timeout=30)
        assert outer.stdin is not None
        outer.stdin.close()
        log.close()


def _children(pid: int) -> Sequence[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _engine_answers(box: RealBox) -> bool:
    return box.docker("version", "--format", "{{.Server.Version}}", check=False)[:1].isdigit()


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
