"""A box that is kept connected while faults happen to it, and what was seen of it meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.host import LinkState
from gptoss_tui.domain.instance import LogLine
from gptoss_tui.errors import GptossError
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.remote.keeper import Keeper
from gptoss_tui.remote.resume import LogCursor
from gptoss_tui.state.paths import Paths
from tests.real.box import RealBox
from tests.real.waiting import until

TALKER = "talker"
# A line every 50 ms; its number is all that it says.
SCRIPT = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done"


def talk(box: RealBox) -> None:
    """A server on the box whose log is numbers, one after the other."""
    box.docker("pull", "-q", "lab/small:1")
    box.docker("tag", "lab/small:1", "vllm/vllm-openai:talker")
    box.docker(
        "run", "-d", "--network=none", f"--name={TALKER}", "--entrypoint=/bin/sh",
        "vllm/vllm-openai:talker", "-c", SCRIPT,
    )  # fmt: skip


class Kept:
    """One box under a keeper, its log followed with one cursor, its GPUs watched."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.name = name
        self.links: list[LinkState] = []
        self.lines: list[int] = []
        self.samples = 0
        self.cursor = LogCursor()
        self._fleet = fleet
        fleet.hub.tap(self._tap)
        self.keeper = Keeper(name, fleet, self._watch)

    @property
    def phase(self) -> str:
        return self.links[-1].phase if self.links else ""

    def phases(self, since: int = 0) -> list[str]:
        """Without repetitions."""
        found: list[str] = []
        for link in self.links[since:]:
            if not found or found[-1] != link.phase:
                found.append(link.phase)
        return found

    def _tap(self, fact: AnyFact) -> None:
        if fact.box != self.name:
            return
        if isinstance(fact.body, LinkState):
            self.links.append(fact.body)
        elif isinstance(fact.body, LogLine) and not fact.body.ours:
            self.lines.append(int(fact.body.text))
        elif isinstance(fact.body, GpuSnapshot):
            self.samples += 1

    async def _watch(self, box: Box) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(lambda: box.watch_gpus(Cadence())))
            group.create_task(
                self._again(lambda: box.logs(TALKER, tail=None, follow=True, cursor=self.cursor))
            )

    async def _again(self, stream: Callable[[], AsyncIterator[Any]]) -> None:
        while True:
            with contextlib.suppress(GptossError):
                async with aclosing(cast("Any", stream())) as facts:
                    async for _ in facts:
                        pass
            await asyncio.sleep(0.5)

    async def grows(self) -> None:
        """Wait until it is up and new lines and new samples come."""
        lines, samples = len(self.lines), self.samples
        try:
            await eventually(
                f"{self.name} flows again",
                lambda: (
                    self.phase == "up" and len(self.lines) > lines + 3 and self.samples > samples
                ),
                60,
            )
        except AssertionError as error:
            error.add_note(f"{len(self.lines) - lines} lines, {self.samples - samples} samples")
            error.add_note(f"{self.links[-5:]}")
            raise

    def assert_whole(self) -> None:
        assert self.lines == list(range(len(self.lines)))


@asynccontextmanager
async def kept(config: Path, home: Path, *names: str) -> AsyncIterator[list[Kept]]:
    paths = Paths(config=home / "config", data=home / "data", state=home / "state")
    options = FleetOptions(config_file=config, with_local=False)
    async with Fleet(Hub(lambda: datetime.now(UTC)), paths, options) as fleet:
        boxes = [Kept(fleet, name) for name in names]
        tasks = [
            asyncio.create_task(box.keeper.run(lambda error: None), name=f"keep {box.name}")
            for box in boxes
        ]
        try:
            for box in boxes:
                await box.grows()
            yield boxes
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def nothing_left(box: RealBox, seconds: float) -> float:
    """How long it took until nothing of ours ran on the box any more."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while left := ours_on(box):
        assert loop.time() < began + seconds, f"still on the box after {seconds} s: {left}"
        await asyncio.sleep(0.1)
    return loop.time() - began


async def eventually(what: str, holds: Callable[[], object], seconds: float) -> float:
    """How long it took until `holds`."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not holds():
        assert loop.time() < began + seconds, f"not in {seconds} s: {what}"
        await asyncio.sleep(0.05)
    return loop.time() - began


def sshd_children(box: RealBox) -> list[int]:
    """The processes that serve one connection each (as numbered inside the box)."""
    listed = box.run("ps", "-ww", "-eo", "pid=,args=").splitlines()
    return [int(line.split()[0]) for line in listed if "sshd: " in line and "@" in line]


def signal_sshd(box: RealBox, number: signal.Signals) -> None:
    _signal(box, sshd_children(box), number)


def signal_sshd_and_master(box: RealBox, number: signal.Signals) -> None:
    """The one that listens as well, and logins that are under way; not the one that init holds."""
    for _ in range(2):  # one that was forked meanwhile, too: the first round ends the forking
        listed = box.run("ps", "-ww", "-eo", "pid=,args=").splitlines()
        pairs = [line.split(maxsplit=1) for line in listed]
        _signal(box, [int(pid) for pid, args in pairs if _is_sshd(args)], number)


def _is_sshd(args: str) -> bool:
    return args.startswith(("sshd:", "/usr/sbin/sshd ")) and "/usr/sbin/sshd -D" not in args


def _signal(box: RealBox, pids: list[int], number: signal.Signals) -> None:
    if pids:
        box.run("kill", f"-{number.value}", *map(str, pids), check=False)


def lose(box: RealBox, action: str) -> None:
    """One packet in twenty, in both directions: "-I" begins it, "-D" ends it."""
    rule = ("-p", "tcp", "-m", "statistic", "--mode", "random", "--probability", "0.05")
    for chain in ("INPUT", "OUTPUT"):
        box.run("iptables", action, chain, *rule, "-j", "DROP")


def narrow(box: RealBox, action: str, rate: str = "64kbit") -> None:
    """A narrow link: "add" begins it, "del" ends it."""
    limits = ("tbf", "rate", rate, "burst", "4kb", "latency", "400ms") if action == "add" else ()
    box.run("tc", "qdisc", action, "dev", "eth0", "root", *limits)


def cable(box: RealBox, state: str) -> None:
    subprocess.run(["ip", "link", "set", box.cable, state], check=True)


def stop_docker(box: RealBox, number: signal.Signals) -> None:
    """End the daemon. By SIGTERM it stops its containers, by SIGKILL they go on without it."""
    box.run("pkill", f"-{number.value}", "-x", "dockerd", check=False)
    until("dockerd is gone", lambda: not box.run("pgrep", "-x", "dockerd", check=False))


def start_docker(box: RealBox) -> None:
    """Start it again, unless it runs, and wait until it answers."""
    if not box.run("pgrep", "-x", "dockerd", check=False):
        start = f"rm -f /run/docker.pid; exec dockerd $(cat {box.folder}/dockerd.options)"
        log = f">>{box.folder}/dockerd.log 2>&1"
        box.run("setsid", "-f", "sh", "-c", f"({start}) {log} </dev/null &")
    until("dockerd answers", lambda: box.docker("info", "-f", "{{.ID}}", check=False).strip())


def ours_on(box: RealBox) -> list[str]:
    """What runs on the box because of us."""
    words = ("gptoss-watch", "gptoss-guard", "gptoss-dial", "dial-stdio", "dmon", "dd bs=1")
    return [line for line in box.processes() if any(word in line for word in words)]


def files_of_this_process() -> set[str]:
    """What is open: files by name, sockets by their addresses as well."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            name = os.readlink(f"/proc/self/fd/{number}")
            if name.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(number))) as one:
                    name += f" {one.getsockname()} {_peer_of(one)}"
            found.add(f"{number} {name}")
    return found


def _peer_of(one: socket.socket) -> object:
    try:
        return one.getpeername()
    except OSError as error:
        return str(error)


def sockets_of_this_process() -> int:
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return found
