"""An sshd of our own on 127.0.0.1, and OpenSSH's client as the base: one tunnel, one master."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HOST = "bench"
NEEDED = ("sshd", "ssh", "ssh-keygen", "curl")
SERVER = Path(__file__).with_name("token_server.py")


@dataclass(frozen=True)
class Parts:
    """The ssh config that leads to the sshd as `HOST`, where the token server listens there, the
    port here at which `ssh -L` leads to it, and the socket of the ControlMaster."""

    config: Path
    home: Path
    server_port: int
    tunnel_port: int
    control: Path

    def curl(self, path: str, *options: str) -> list[str]:
        return ["curl", "-sS", "-N", *options, f"http://127.0.0.1:{self.tunnel_port}{path}"]

    def ssh(self, *words: str) -> list[str]:
        return ["ssh", "-F", str(self.config), "-S", str(self.control), HOST, *words]


def missing() -> str:
    """The programs that are not here, as words; empty when all are."""
    return ", ".join(name for name in NEEDED if _program(name) is None)


@contextmanager
def openssh(home: Path) -> Iterator[Parts]:
    """Everything runs, until the end of the block."""
    ssh_port, server_port, tunnel_port = _free_ports(3)
    config = _furnish(home, ssh_port)
    parts = Parts(config, home, server_port, tunnel_port, home / "control")
    base = ["ssh", "-F", str(config), "-N"]
    tunnel = f"127.0.0.1:{tunnel_port}:127.0.0.1:{server_port}"
    sshd = [str(_program("sshd")), "-D", "-f", str(home / "sshd_config"), "-E", str(home / "log")]
    with ExitStack() as stack:
        for argv, is_up in (
            (sshd, lambda: _listens(ssh_port)),
            ([sys.executable, str(SERVER), str(server_port)], lambda: _listens(server_port)),
            # The tunnel carries nothing else, as a user's own would; the master runs no tunnel.
            ([*base, "-S", "none", "-L", tunnel, HOST], lambda: _listens(tunnel_port)),
            ([*base, "-M", "-S", str(parts.control), HOST], parts.control.exists),
        ):
            stack.enter_context(_running(argv, is_up))
        yield parts


def _furnish(home: Path, port: int) -> Path:
    for key in ("host_key", "id"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / key)]
        subprocess.run(argv, check=True)
    shutil.copy(home / "id.pub", home / "authorized_keys")
    (home / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {home}/authorized_keys\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin yes\n"
    )
    host_key = " ".join((home / "host_key.pub").read_text().split()[:2])
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    config = home / "openssh_config"
    config.write_text(
        f"Host {HOST}\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {home}/id\n  IdentitiesOnly yes\n  IdentityAgent none\n"
        f"  BatchMode yes\n  UserKnownHostsFile {home}/known_hosts\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd, as root, gives up its rights
    return config


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    """Ports that were free just now, all different ones."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in held]


@contextmanager
def _running(argv: Sequence[str], is_up: Callable[[], bool]) -> Iterator[None]:
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 15
        while not is_up():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"did not come up: {argv}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
