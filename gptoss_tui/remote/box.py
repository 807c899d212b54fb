"""The seam: a `Box` is all that the app and the commands know of a machine.

An SSH box, the local one, the simulated one and later a replay are the same behind it. Every call
is marked as one that *observes* or one that *changes*; a test holds that none is unmarked, and
`remote.readonly` refuses the changing ones by that mark.

All results are stamped facts that have passed the `Hub`. Streams end with the box's connection (by
raising `ConnectionLostError`), when the thing watched is gone (by ending) or when the consumer
closes them: use `contextlib.aclosing`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatRequest
from gptoss_tui.domain.facts import Fact
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import InstanceList, LogLine, Notice
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.domain.repair.types import Repair, RepairEnded, RepairLine, Survey
from gptoss_tui.domain.secret import Secret
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.spot.notice import SpotNotice
from gptoss_tui.remote.resume import LogCursor

F = TypeVar("F", bound=Callable[..., Any])
Effect = Literal["observes", "changes"]


def observes(call: F) -> F:
    """Mark a call that leaves the box as it is."""
    call.effect = "observes"  # type: ignore[attr-defined]
    return call


def changes(call: F) -> F:
    """Mark a call that changes the box or puts load on it."""
    call.effect = "changes"  # type: ignore[attr-defined]
    return call


def effect_of(call: Callable[..., Any] | None) -> Effect | None:
    """The mark on a call of the seam; None where it has none."""
    effect: Effect | None = getattr(call, "effect", None)
    return effect


@dataclass(frozen=True)
class Cadence:
    """How often (seconds) and in what detail a consumer wants a stream.

    "summary" polls memory and utilisation; "full" streams every column there is.
    """

    period_s: float = 1.0
    detail: Literal["summary", "full"] = "full"


@dataclass(frozen=True)
class Forward:
    """An open endpoint on this machine: `base_url` as `http://127.0.0.1:PORT/v1`."""

    base_url: str
    port: int
    model: str | None


class Box(Protocol):
    """One machine with GPUs. `name` is what the user calls it."""

    @property
    def name(self) -> str: ...

    @property
    def link(self) -> LinkState:
        """The connection as last known."""

    @observes
    def link_changes(self) -> AsyncIterator[LinkState]:
        """The connection now, then each change of it, until it is lost.

        No facts yet: who connects boxes (`remote.keeper`) publishes them, with what came before.
        """

    @property
    def ssh_target(self) -> str | None:
        """What `ssh` takes to get there (None: this machine)."""

    @observes
    async def look(self) -> Fact[BoxReport]:
        """Look at the whole box once: system, GPUs, Docker, disks, findings."""

    @observes
    async def gpus(self) -> Fact[GpuSnapshot]:
        """The GPUs right now, in one quick round trip."""

    @observes
    def watch_gpus(self, cadence: Cadence) -> AsyncIterator[Fact[GpuSnapshot]]:
        """The GPUs, the first figures at once, then at `cadence`."""

    @observes
    async def instances(self, *, ask: bool = True) -> Fact[InstanceList]:
        """The servers on the box: ours, ready or not, then those of others.

        Without `ask` no server is asked whether it is ready: what is not known of it is "unknown".
        """

    @observes
    async def engine(self, instance: str) -> Fact[EngineSnapshot]:
        """One scrape of a server's health and metrics; raises `EngineError` if it is silent."""

    @observes
    def watch_engine(self, instance: str, cadence: Cadence) -> AsyncIterator[Fact[EngineSnapshot]]:
        """Scrapes at `cadence`, with rates; a silent server is a snapshot with `healthy` False."""

    @observes
    def logs(
        self,
        instance: str,
        *,
        tail: int | None = 200,
        follow: bool = False,
        cursor: LogCursor | None = None,
    ) -> AsyncIterator[Fact[LogLine]]:
        """A server's log: the last `tail` lines (None: all), then new ones while `follow`.

        A `cursor` moves with the lines; given again, the log goes on where it stopped.
        """

    @observes
    async def launches(self) -> tuple[Fact[LaunchProgress], ...]:
        """The launches that the box still knows of, newest first."""

    @observes
    def watch_launch(self, launch_id: str) -> AsyncIterator[Fact[LaunchProgress]]:
        """A launch from its first phase to its end, wherever it stands now."""

    @observes
    async def spot(self) -> Fact[SpotNotice] | None:
        """The notice that the provider has given to take this box back; None while there is none.

        Raises `CommandError` where it should tell, and does not.
        """

    @observes
    def watch_spot(self, known: SpotNotice | None = None) -> AsyncIterator[Fact[SpotNotice]]:
        """That notice as it comes; ends at once where the provider gives none on the box.

        `known` is the notice that an earlier watch told of: it is told again only if it has changed,
        and as withdrawn where it is there no more.
        Raises `CommandError` where the provider should tell, and does not.
        """

    @changes
    def forward(self, instance: str, local_port: int = 0) -> AbstractAsyncContextManager[Forward]:
        """Open a server's endpoint on this machine's 127.0.0.1 (port 0: any free one).

        Whatever comes through it reaches the server: it is as much a change as `chat`.
        """

    @changes
    async def launch(
        self, spec: LaunchSpec, secrets: Secrets, *, replaces: str | None = None
    ) -> str:
        """Start the launch helper on the box and return its launch id.

        `replaces` names a server of ours whose place it takes: that one is drained and set aside
        when the image is there, removed once the new one is ready, and started again where that
        does not come about. Its secrets go on to the new one where none are given.
        Raises `ConflictError` when a GPU, the port or the name is taken.
        """

    @changes
    async def cancel(self, launch_id: str) -> Fact[Notice]:
        """Cancel a launch in progress; the notice says what remains on the box."""

    @changes
    async def stop(
        self, instance: str, *, drain_s: int | None = None, grace_s: int | None = None
    ) -> Fact[Notice]:
        """Stop and remove one of our containers; raises `NotFoundError` for anybody else's.

        Running requests get `drain_s` seconds to end (None: 60; 0: they are cut), and `Draining`
        facts tell of them; the process is killed `grace_s` seconds after the signal.
        """

    @changes
    async def drain(self, instance: str, within_s: float) -> Fact[Notice]:
        """Stop one of our containers within `within_s` seconds, for the box goes away.

        What runs ends first where the time allows it, told as by `stop`. The container stays: it is
        started again by `restart`. Raises `NotFoundError` for anybody else's.
        """

    @changes
    async def restart(self, instance: str, *, drain_s: int | None = None) -> Fact[Notice]:
        """Restart one of our containers, drained as by `stop`; it then loads anew.

        Raises `NotFoundError` for anybody else's.
        """

    @changes
    def chat(
        self, instance: str, request: ChatRequest, api_key: Secret | None = None
    ) -> AsyncIterator[Fact[ChatDelta | ChatDone]]:
        """Ask a server; the pieces as they come, then one `ChatDone`."""

    @changes
    async def load_image(self, parts: AsyncIterator[bytes]) -> Fact[Notice]:
        """Give Docker an image as `docker save` writes it, for a box that reaches no registry.

        Raises `DockerError` when Docker refuses it.
        """

    @observes
    async def survey(self) -> Fact[Survey]:
        """What repairs need to know besides a look: what runs, what is left over, the cache."""

    @changes
    def repair(
        self, repair: Repair, prompter: Prompter | None = None
    ) -> AsyncIterator[Fact[RepairLine | RepairEnded]]:
        """Run a repair's script; what it writes, then how it ended.

        `prompter` is asked for the password where sudo wants one. Raises `CommandError` when it
        cannot begin; when the connection is lost, the script goes on, and calling again joins it.
        """

    async def aclose(self) -> None:
        """Close every stream and the connection. Nothing of ours stays on the box."""
