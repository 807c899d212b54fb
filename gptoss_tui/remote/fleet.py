"""All boxes of a run: who can be chosen, who is connected. Owned by the entry point."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.host import LinkPhase, LinkState
from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import ChangedHostKeyError, UnknownHostKeyError
from gptoss_tui.remote import ssh_hosts
from gptoss_tui.remote.answers import Answers
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.fleet_port import LOCAL, BoxEntry
from gptoss_tui.remote.pulse import REAL, Pulse
from gptoss_tui.remote.readonly import read_only
from gptoss_tui.remote.target import Target, parse_target
from gptoss_tui.state import boxes
from gptoss_tui.state.boxes import StoredBox
from gptoss_tui.state.paths import Paths

if TYPE_CHECKING:
    from gptoss_tui.remote.host_box import HostBox
    from gptoss_tui.remote.launcher import Known
    from gptoss_tui.remote.ssh_connect import Dialer
    from gptoss_tui.remote.ssh_notes import SshNotes

DEFAULT_CONFIG = Path("~/.ssh/config")


@dataclass(frozen=True)
class FleetOptions:
    """As given on the command line: `-F`, `-i`, `--accept-new`, `--read-only`, secrets in files."""

    config_file: Path | None = None
    identity: str | None = None
    accept_new: bool = False
    read_only: bool = False
    source: Literal["ssh config", "demo"] = "ssh config"
    with_local: bool = True
    password: Secret | None = None
    passphrase: Secret | None = None


class Fleet:
    """A `FleetPort` over SSH and this machine. Use it as an async context manager."""

    def __init__(
        self, hub: Hub, paths: Paths, options: FleetOptions | None = None, pulse: Pulse = REAL
    ) -> None:
        self._pulse = pulse
        self.hub = hub
        self._paths = paths
        self._options = options or FleetOptions()
        self.read_only = self._options.read_only
        self._boxes: dict[str, Box] = {}
        self._connecting: dict[str, asyncio.Lock] = {}
        self._launches: dict[str, Known] = {}  # what boxes have told, for their next connection
        self.prompter: Prompter | None = None
        self._dialer: Dialer | None = None

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await asyncio.gather(*(self.disconnect(name) for name in tuple(self._boxes)))
        finally:
            if self._dialer is not None:
                await self._dialer.aclose()

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
            identity=_from_anywhere(target.identity),
            jump=target.jump,
            options=target.options,
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
            if known is not None and known.link.open:
                return known
            if known is not None:
                await known.aclose()
            box = await self._open(name)
            self._boxes[name] = read_only(box) if self.read_only else box
            return self._boxes[name]

    async def prepare(self) -> None:
        """Load what connecting and watching need, in a thread: it takes as long as drawing the app."""
        await asyncio.to_thread(_load_all)

    async def _open(self, name: str) -> HostBox:
        await asyncio.to_thread(_load_dial)
        from gptoss_tui.remote import dial

        if name == LOCAL:
            return dial.this_machine(self.hub)
        launches = self._launches.setdefault(name, {})
        return await dial.dial(
            name, self._target(name), self._dials(), self.hub, self._pulse, launches=launches
        )

    def _target(self, name: str) -> Target:
        for stored in boxes.read(self._paths.boxes_file):
            if stored.name == name:
                return _target_of(stored)
        return parse_target(name)

    def _dials(self) -> Dialer:
        from gptoss_tui.remote.ssh_connect import ConnectOptions, Dialer

        if self._dialer is None:
            options = ConnectOptions(
                own_known_hosts=self._paths.known_hosts,
                config_file=self._options.config_file,
                identity=self._options.identity,
                accept_new=self._options.accept_new,
            )
            self._dialer = Dialer(options, self._asked, self._tell)
        return self._dialer

    def _asked(self) -> Prompter | None:
        password, passphrase = self._options.password, self._options.passphrase
        if password is None and passphrase is None:
            return self.prompter
        return Answers(password, passphrase, self.prompter)

    async def ssh_notes(self, name: str) -> SshNotes | None:
        """The way to a connected box; None for this machine."""
        from gptoss_tui.remote.ssh_notes import notes_of

        opened = self._dialer.opened.get(name) if self._dialer else None
        return None if opened is None else await notes_of(opened)

    def _tell(self, box: str, what: str) -> None:
        """What a person has to do before the box can be entered; nothing more: it goes on.

        A hop is opened for others too: who gave up meanwhile is not connecting any more.
        """
        connecting = self._connecting.get(box)
        if connecting is None or not connecting.locked():
            return
        phase: LinkPhase = "needs_you" if what else "connecting"
        self.hub.publish(LinkState(phase=phase, reason=what), box=box)

    def accept_host_key(self, error: UnknownHostKeyError) -> None:
        from gptoss_tui.remote import known_hosts

        known_hosts.accept(self._paths.known_hosts, error.key)

    def forget_host_key(self, error: ChangedHostKeyError) -> None:
        from gptoss_tui.remote import known_hosts

        known_hosts.forget(self._paths.known_hosts, error.host, error.port)

    def forget_key(self, name: str) -> int:
        """Take the host keys of this box out of our own file; how many there were.

        `name` may also be a host as known_hosts has it, "[1.2.3.4]:2222". Raises `BoxError`.
        """
        from gptoss_tui.remote import known_hosts
        from gptoss_tui.remote.ssh_config import resolve
        from gptoss_tui.remote.ssh_options import known_name

        config = resolve(self._target(name), self._options.config_file)
        return known_hosts.forget(self._paths.known_hosts, *known_name(config))

    def box(self, name: str) -> Box | None:
        return self._boxes.get(name)

    async def disconnect(self, name: str) -> None:
        box = self._boxes.pop(name, None)
        if box is not None:
            await box.aclose()


def _target_of(stored: StoredBox) -> Target:
    if stored.host is None:
        return parse_target(stored.name)  # remembered by what was typed, as "box:2222"
    base = Target(host=stored.host)
    return replace(
        base,
        port=stored.port,
        user=stored.user,
        identity=stored.identity,
        jump=stored.jump,
        options=stored.options,
    )


def _from_anywhere(identity: str | None) -> str | None:
    """A key that was named relative to this folder, as `ssh -i` reads it."""
    return identity if identity is None or identity[:1] in "~%" else str(Path(identity).absolute())


def _load_dial() -> None:
    import gptoss_tui.remote.dial  # noqa: F401


def _load_all() -> None:
    _load_dial()
    import prometheus_client.parser  # noqa: F401
