"""Simulated boxes on 127.0.0.1, and the ssh config that leads to them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import asyncssh

from gptoss_tui.domain.host import Cloud
from gptoss_tui.sim.clock import Clock, ScaledClock
from gptoss_tui.sim.profile import Profile, profiles
from gptoss_tui.sim.server import BoxServer, Counters
from gptoss_tui.sim.world import World

_CLOUDS: tuple[Cloud, ...] = ("azure", "aws", "gcp")  # the first box, by its number, is of AWS


@dataclass
class SimBox:
    """One running box."""

    name: str
    world: World
    counters: Counters
    host_key: asyncssh.SSHKey
    acceptor: asyncssh.SSHAcceptor
    port: int

    host: str = "127.0.0.1"


class SimFleet:
    """`async with SimFleet(boxes=2) as sim:` — boxes "sim-1" …, a key, known_hosts and a config.

    `speed` scales the boxes' time; `traffic` is the mean number of background requests a ready
    server gets; `clock` overrides `speed` (one clock for all boxes); `preempt_after_s` makes them
    spot boxes, which get their notice then; on `warm` ones a launch waits for no pull, no download
    and no load. The folder is private (0700)
    and removed at the end.
    """

    def __init__(
        self,
        boxes: int = 1,
        *,
        seed: int = 0,
        speed: float = 1.0,
        traffic: float = 0.0,
        faults: frozenset[str] = frozenset(),
        clock: Clock | None = None,
        preempt_after_s: float | None = None,
        warm: bool = False,
        kinds: tuple[Profile, ...] | None = None,
    ) -> None:
        self._profiles = kinds or profiles(boxes, faults)
        if warm:
            self._profiles = tuple(profile.warm for profile in self._profiles)
        self._seed = seed
        self._speed = speed
        self._traffic = traffic
        self._clock = clock
        self._preempt_after_s = preempt_after_s
        self.boxes: list[SimBox] = []
        self.directory = Path()

    @property
    def ssh_config(self) -> Path:
        return self.directory / "ssh_config"

    @property
    def key_file(self) -> Path:
        return self.directory / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    async def __aenter__(self) -> SimFleet:
        self.directory = Path(tempfile.mkdtemp(prefix="gptoss-tui-sim-"))
        key = asyncssh.generate_private_key("ssh-ed25519")
        clock = self._clock or ScaledClock(self._speed)
        for number, profile in enumerate(self._profiles, 1):
            world = self._world(number, profile, clock)
            self.boxes.append(await _listen(f"sim-{number}", world, key))
        self._write(key)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for box in self.boxes:
            box.acceptor.close()
            await box.world.aclose()
            await box.counters.hang_up()
        for box in self.boxes:  # from Python 3.12 on this waits for the connections too
            await box.acceptor.wait_closed()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _world(self, number: int, profile: Profile, clock: Clock) -> World:
        if self._preempt_after_s is not None and profile.cloud is None:
            profile = replace(profile, cloud=_CLOUDS[number % len(_CLOUDS)])
        world = World(profile, clock, seed=self._seed + number, traffic=self._traffic)
        if self._preempt_after_s is not None:
            world.preempt(self._preempt_after_s)
        return world

    def _write(self, key: asyncssh.SSHKey) -> None:
        self.key_file.touch(mode=0o600)
        key.write_private_key(self.key_file)
        known = (f"[127.0.0.1]:{box.port} {_public(box.host_key)}\n" for box in self.boxes)
        self.known_hosts.write_text("".join(known))
        self.ssh_config.write_text("\n".join(self._host(box) for box in self.boxes))

    def _host(self, box: SimBox) -> str:
        return (
            f"Host {box.name}\n"
            f"    HostName {box.host}\n"
            f"    Port {box.port}\n"
            f"    User root\n"
            f"    IdentityFile {self.key_file}\n"
            f"    IdentitiesOnly yes\n"
            f"    UserKnownHostsFile {self.known_hosts}\n"
        )

    def describe(self) -> dict[str, Any]:
        """The document that `gptoss-tui sim --json` prints."""
        return {
            "ssh_config": str(self.ssh_config),
            "key": str(self.key_file),
            "known_hosts": str(self.known_hosts),
            "boxes": [
                {
                    "name": box.name,
                    "host": box.host,
                    "port": box.port,
                    "user": "root",
                    "gpus": [card.name for card in box.world.profile.cards],
                }
                for box in self.boxes
            ],
        }


async def _listen(name: str, world: World, key: asyncssh.SSHKey) -> SimBox:
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    counters = Counters()
    factory: Callable[[], BoxServer] = lambda: BoxServer(world, counters, key)  # noqa: E731
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=factory, server_host_keys=[host_key], encoding=None
    )
    box = SimBox(name, world, counters, host_key, acceptor, acceptor.get_port())
    world.spawn(_switch_off(box), f"sim spot {name}")
    return box


async def _switch_off(box: SimBox) -> None:
    """A spot box goes away when its provider takes it back."""
    world = box.world
    while (left := world.until_taken_back()) is None or left > 0:
        if left is None:
            await world.change()
        else:
            await world.clock.sleep(min(left, 1.0))
    box.acceptor.close()
    await box.counters.hang_up()


def _public(key: asyncssh.SSHKey) -> str:
    algorithm, blob, *_ = key.export_public_key("openssh").decode().split()
    return f"{algorithm} {blob}"
