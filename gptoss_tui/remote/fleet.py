"""All boxes of a run: who can be chosen, who is connected. Owned by the entry point."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal

from gptoss_tui.domain.facts import Hub
from gptoss_tui.errors import UnknownHostKeyError
from gptoss_tui.remote import known_hosts, ssh_hosts
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.fleet_port import LOCAL, BoxEntry
from gptoss_tui.remote.gpus import SmiSource
from gptoss_tui.remote.host_box import HostBox
from gptoss_tui.remote.local_transport import LocalTransport
from gptoss_tui.remote.readonly import read_only
from gptoss_tui.remote.ssh_connect import ConnectOptions, connect
from gptoss_tui.remote.ssh_transport import SshTransport
from gptoss_tui.remote.target import Target, parse_target
from gptoss_tui.state import boxes
from gptoss_tui.state.boxes import StoredBox
from gptoss_tui.state.paths import Paths

DEFAULT_CONFIG = Path("~/.ssh/config")


@dataclass(frozen=True)
class FleetOptions:
    """As given on the command line: `-F`, `-i`, `--accept-new`, `--read-only`."""

    config_file: Path | None = None
    identity: str | None = None
    accept_new: bool = False
    read_only: bool = False
    source: Literal["ssh config", "demo"] = "ssh config"
    with_local: bool = True


class Fleet:
    """A `FleetPort` over SSH and this machine. Use it as an async context manager."""

    def __init__(self, hub: Hub, paths: Paths, options: FleetOptions | None = None) -> None:
        self.hub = hub
        self._paths = paths
        self._options = options or FleetOptions()
        self.read_only = self._options.read_only
        self._boxes: dict[str, Box] = {}
        self._connecting: dict[str, asyncio.Lock] = {}

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(self.disconnect(name) for name in tuple(self._boxes)))

    def candidates(self) -> tuple[BoxEntry, ...]:
        entries = {
            stored.name: self._entry(stored) for stored in boxes.read(self._paths.boxes_file)
        }
        config = self._options.config_file or DEFAULT_CONFIG
        for name in ssh_hosts.host_names(config):
            entries.setdefault(name, BoxEntry(name, "ssh", name, self._options.source))
        if self._options.with_local:
            entries.setdefault(LOCAL, BoxEntry(LOCAL, "local", "this machine", "this machine"))
        return tuple(entries.values())

    def _entry(self, stored: StoredBox) -> BoxEntry:
        if stored.name == LOCAL:
            return BoxEntry(LOCAL, "local", "this machine", "remembered")
        return BoxEntry(stored.name, "ssh", str(_target_of(stored)), "remembered")

    def add(self, line: str) -> BoxEntry:
        target = parse_target(line)
        name = target.host if target.port is None else f"{target.host}:{target.port}"
        stored = StoredBox(
            name=name,
            host=target.host,
            port=target.port,
            user=target.user,
            identity=target.identity,
            jump=target.jump,
        )
        boxes.remember(self._paths.boxes_file, stored)
        return self._entry(stored)

    def remember(self, name: str) -> None:
        if name not in {stored.name for stored in boxes.read(self._paths.boxes_file)}:
            boxes.remember(self._paths.boxes_file, StoredBox(name=name))

    def forget(self, name: str) -> None:
        boxes.forget(self._paths.boxes_file, name)

    async def connect(self, name: str) -> Box:
        async with self._connecting.setdefault(name, asyncio.Lock()):
            known = self._boxes.get(name)
            if known is not None and known.link.phase == "up":
                return known
            if known is not None:
                await known.aclose()
            box = await self._open(name)
            self._boxes[name] = read_only(box) if self.read_only else box
            return self._boxes[name]

    async def _open(self, name: str) -> HostBox:
        if name == LOCAL:
            # NVML is loaded only where it can be of use: on this machine.
            from gptoss_tui.remote.nvml import NvmlSource

            local = LocalTransport()
            return HostBox(name, local, NvmlSource(SmiSource(local)), self.hub)
        target = self._target(name)
        connection = await connect(target, self._connect_options())
        transport = SshTransport(connection, name, _ssh_words(target))
        return HostBox(name, transport, SmiSource(transport), self.hub)

    def _target(self, name: str) -> Target:
        for stored in boxes.read(self._paths.boxes_file):
            if stored.name == name:
                return _target_of(stored)
        return parse_target(name)

    def _connect_options(self) -> ConnectOptions:
        return ConnectOptions(
            own_known_hosts=self._paths.known_hosts,
            config_file=self._options.config_file,
            identity=self._options.identity,
            accept_new=self._options.accept_new,
        )

    def accept_host_key(self, error: UnknownHostKeyError) -> None:
        known_hosts.accept(self._paths.known_hosts, error.key)

    def box(self, name: str) -> Box | None:
        return self._boxes.get(name)

    async def disconnect(self, name: str) -> None:
        box = self._boxes.pop(name, None)
        if box is not None:
            await box.aclose()


def _target_of(stored: StoredBox) -> Target:
    base = Target(host=stored.host or stored.name)
    return replace(
        base, port=stored.port, user=stored.user, identity=stored.identity, jump=stored.jump
    )


def _ssh_words(target: Target) -> str:
    """The words behind `ssh` that lead to the same box."""
    words = [f"-p {target.port}"] if target.port else []
    words += [f"-J {target.jump}"] if target.jump else []
    words += [f"-i {target.identity}"] if target.identity else []
    user = f"{target.user}@" if target.user else ""
    return " ".join([*words, f"{user}{target.host}"])
