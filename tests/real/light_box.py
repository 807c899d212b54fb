"""A real sshd in namespaces of its own, with the light stand-in where Docker would be.

Many of them fit on a small machine. Its `nvidia-smi` tells the time: memory in use is the second of
the box's clock, so a figure says by itself how old it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gptoss_tui.domain.gpu import MIB, GpuSnapshot
from tests.real import light_engine, parts
from tests.real.box import Kind, RealBox, real_box
from tests.real.relay import Relay
from tests.real.waiting import until

BARE = Kind(docker=False, gpu_runtime=False)
PORT = 8000
# Not the sshd that the box's init holds: that one cannot be started again behind its back.
SSH_PORT = 2200
SOCKET = "/var/run/docker.sock"
CLOCK = 65536  # MiB, so seconds: the card has more
# What always runs there. ("ps" is who looks.)
OWN = (
    "box_init.sh",
    "sleep infinity",
    "[listener]",
    "/usr/sbin/sshd -",
    "light_engine.py",
    "ps -ww",
)


@dataclass(frozen=True)
class LightBox:
    """`way` is where its sshd is reached: the box itself, or a relay that can delay."""

    box: RealBox
    relay: Relay | None

    @property
    def way(self) -> tuple[str, int]:
        return ("127.0.0.1", self.relay.port) if self.relay else (self.box.address, SSH_PORT)

    def start_sshd(self) -> None:
        self.box.sshd(SSH_PORT)

    def set_clock(self, ahead_s: int) -> None:
        """What the box's clock shows: so many seconds more than is right."""
        new = self.box.folder / "clock.new"
        new.write_text(str(ahead_s))
        new.rename(self.box.folder / "clock")

    def fall_silent(self) -> int:
        """End the log; how many lines it has."""
        (self.box.folder / "quiet").touch()
        written = self.box.folder / "written"
        until("the log ended", written.exists)
        return int(written.read_text())

    def left(self) -> list[str]:
        """Processes and sockets that there are because of somebody's connection."""
        sockets = self.box.run("ss", "-Htan").splitlines()
        return [
            *(line for line in self.box.processes() if not any(own in line for own in OWN)),
            *(line for line in sockets if line.split()[0] not in ("LISTEN", "TIME-WAIT")),
        ]


def missing() -> str:
    """Why light boxes cannot be had here; empty when they can."""
    if os.geteuid() != 0:
        return "real boxes need root (namespaces)"
    heavy = {"dockerd", "docker-registry", "sudo", "busybox"}
    wanted = {**parts.PROGRAMS, "tc": "iproute2", "ss": "iproute2"}
    lacking = {wanted[name] for name in wanted.keys() - heavy if not parts._there(name)}
    return f"real boxes need: apt install {' '.join(sorted(lacking))}" if lacking else ""


@contextmanager
def light_box(*, delays: bool = False) -> Iterator[LightBox]:
    with real_box(1, BARE) as box:
        (box.folder / "clock").write_text("0")
        _tell_the_time(box.folder / "bin" / "nvidia-smi", box.folder / "clock")
        program = Path(light_engine.__file__)
        argv = box.enter(sys.executable, "-S", str(program), SOCKET, str(PORT), str(box.folder))
        with subprocess.Popen(argv, cwd="/", env=box.environment()) as engine:
            try:
                until("the stand-in listens", (box.folder / "run" / "docker.sock").exists)
                with ExitStack() as stack:
                    relay = None
                    if delays:
                        way = Relay("127.0.0.1", (box.address, SSH_PORT), delay_s=0.0)
                        relay = stack.enter_context(way)
                    light = LightBox(box, relay)
                    light.start_sshd()
                    yield light
            finally:
                engine.kill()


def config_of(boxes: dict[str, LightBox], folder: Path) -> Path:
    """An ssh config in which the boxes have these names."""
    hosts, keys = [], []
    for name, light in boxes.items():
        host, port = light.way
        own = light.box.folder
        hosts.append(
            f"Host {name}\n  HostName {host}\n  Port {port}\n  User root\n"
            f"  IdentityFile {own}/id\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {folder}/known_hosts\n"
        )
        key = " ".join((own / "host_key.pub").read_text().split()[:2])
        keys.append(f"[{host}]:{port} {key}\n")
    (folder / "known_hosts").write_text("".join(keys))
    config = folder / "ssh_config"
    config.write_text("".join(hosts))
    return config


def age_of(figures: GpuSnapshot) -> float:
    """How many seconds ago the box saw this."""
    used = figures.gpus[0].memory_used_bytes
    assert used is not None
    age = (time.time() - used / MIB) % CLOCK
    return age if age < CLOCK / 2 else age - CLOCK


def _tell_the_time(script: Path, clock: Path) -> None:
    now = f"$(($(date +%s) % {CLOCK}))"
    shown = f'date -d "@$(($(date +%s) + $(cat {clock})))"'
    text = script.read_text()
    for old, new in (
        ("timestamp) date ", f"timestamp) {shown} "),
        ('|| date "$stamp"', f'|| {shown} "$stamp"'),
        ("memory.used) echo 4 ;;", f"memory.used) echo {now} ;;"),
        (
            'printf \'%s    %s%s\\n\' "$at" 0 "$rest" "$at" 1 "$rest"; do',
            f'row=$(echo "$rest" | sed "s/ 4 / {now} /") &&\n'
            '        printf \'%s    %s%s\\n\' "$at" 0 "$row" "$at" 1 "$row"; do',
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    script.write_text(text)
