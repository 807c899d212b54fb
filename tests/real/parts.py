"""Which real parts this machine has. CI installs them all (`.ci/run`); a laptop may lack any."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PROGRAMS = {
    "/usr/sbin/sshd": "openssh-server",
    "dockerd": "docker.io",
    "docker-registry": "docker-registry",
    "iptables": "iptables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
    "curl": "curl",
    "sudo": "sudo",
    "busybox": "busybox",
}


def lab() -> Path | None:
    """The folder that `.ci/lab/*.sh` filled, as the environment names it."""
    named = os.environ.get("GPTOSS_TUI_LAB")
    return Path(named) if named else None


def missing() -> str:
    """Why the real parts cannot be had here; empty when they can."""
    if os.geteuid() != 0:
        return "real parts need root (namespaces, dockerd)"
    packages = sorted({package for program, package in PROGRAMS.items() if not _there(program)})
    if packages:
        return f"real parts are missing: apt install {' '.join(packages)}"
    folder = lab()
    if folder is None or not any((folder / "registry").glob(".complete-*")):
        return (
            "GPTOSS_TUI_LAB names no lab: make one by .ci/lab/vllm.sh DIR and .ci/lab/image.sh DIR"
        )
    return ""


def _there(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
