"""What the app needs of a fleet. The entry point owns the real one; tests make their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.errors import ChangedHostKeyError, UnknownHostKeyError
from gptoss_tui.remote.box import Box

LOCAL = "local"


@dataclass(frozen=True)
class BoxEntry:
    """A box that can be chosen. `target` is how it is reached, `source` where it is known from."""

    name: str
    kind: Literal["ssh", "local"]
    target: str
    source: Literal["remembered", "ssh config", "this machine", "demo"]


class FleetPort(Protocol):
    """Candidates, connections and accepted keys."""

    hub: Hub
    read_only: bool
    # Who asks a person for passphrases and the like; the app and the commands set theirs.
    prompter: Prompter | None

    def candidates(self) -> tuple[BoxEntry, ...]:
        """Remembered boxes, then hosts of the ssh config, then this machine. Contacts nobody."""

    def add(self, line: str) -> BoxEntry:
        """Remember the box of a pasted line. Raises `UsageError`."""

    def remember(self, name: str) -> None: ...

    def forget(self, name: str) -> None: ...

    async def prepare(self) -> None:
        """Load what connecting needs, while nobody waits for it. Contacts nobody."""

    async def connect(self, name: str) -> Box:
        """The connected box. Raises the `BoxError` family."""

    def accept_host_key(self, error: UnknownHostKeyError) -> None:
        """Keep the key that `error` showed; connecting again then succeeds."""

    def forget_host_key(self, error: ChangedHostKeyError) -> None:
        """Take the old key out of our own file; connecting again then asks about the new one."""

    def box(self, name: str) -> Box | None:
        """The box, if it is connected."""

    async def disconnect(self, name: str) -> None: ...
