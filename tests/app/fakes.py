"""A fleet and its boxes without any connection: they say what the test tells them to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatRequest
from gptoss_tui.domain.facts import Fact, Hub
from gptoss_tui.domain.gpu import GpuSample, GpuSnapshot
from gptoss_tui.domain.host import BoxReport, LinkPhase, LinkState
from gptoss_tui.domain.instance import Instance, InstanceList, LogLine, Notice
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.domain.repair.types import Repair, RepairEnded, RepairLine, Survey
from gptoss_tui.domain.secret import Secret
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.spot.notice import SpotNotice
from gptoss_tui.errors import (
    ChangedHostKeyError,
    ConnectionLostError,
    GptossError,
    UnknownHostKeyError,
)
from gptoss_tui.remote.box import Box, Cadence, Forward
from gptoss_tui.remote.fleet_port import BoxEntry
from gptoss_tui.remote.resume import LogCursor
from tests.app.make import report

START = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


class Clock:
    """Our own time, as the test sets it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakeBox:
    """A `Box` that publishes what is set on it. `calls` lists what was asked that changes a box."""

    def __init__(self, name: str, hub: Hub, *, found: BoxReport | None = None) -> None:
        self.name = name
        self.hub = hub
        self.phase: LinkPhase = "up"
        self.states: tuple[LinkState, ...] = ()
        self.ssh_target: str | None = f"root@{name}"
        self.report = found or report()
        self.found = Survey(running=())
        self.servers: tuple[Instance, ...] = ()
        self.samples: tuple[GpuSample, ...] = ()
        self.scrape: EngineSnapshot | None = None
        self.log: tuple[str, ...] = ()
        self.answer: tuple[ChatDelta | ChatDone, ...] = ()
        self.progress: LaunchProgress | None = None
        self.notices: tuple[SpotNotice, ...] = ()
        self.known: list[SpotNotice | None] = []  # what each watch for a notice was told
        self.refuses: dict[str, GptossError] = {}
        self.calls: list[tuple[object, ...]] = []
        self.lost = asyncio.Event()
        self.held: asyncio.Event | None = None  # a stop or a restart waits for it

    @property
    def link(self) -> LinkState:
        return LinkState(phase=self.phase)

    async def link_changes(self) -> AsyncIterator[LinkState]:
        for state in self.states or (self.link,):
            yield state
        if self.phase != "lost":
            await self.lost.wait()
            yield self.link

    def _may(self, call: str) -> None:
        if call in self.refuses:
            raise self.refuses[call]

    async def _until_lost(self) -> None:
        await self.lost.wait()
        raise ConnectionLostError("The connection was lost.")

    def lose(self) -> None:
        """End the connection, as seen by every stream."""
        self.phase = "lost"
        self.lost.set()

    async def look(self) -> Fact[BoxReport]:
        self._may("look")
        return self.hub.publish(self.report, box=self.name)

    async def gpus(self) -> Fact[GpuSnapshot]:
        return self.hub.publish(GpuSnapshot(gpus=self.samples, source="dmon"), box=self.name)

    async def watch_gpus(self, cadence: Cadence) -> AsyncIterator[Fact[GpuSnapshot]]:
        if self.samples:
            yield await self.gpus()
        await self._until_lost()

    async def instances(self, *, ask: bool = True) -> Fact[InstanceList]:
        self._may("instances")
        return self.hub.publish(InstanceList(instances=self.servers), box=self.name)

    async def engine(self, instance: str) -> Fact[EngineSnapshot]:
        scrape = self.scrape or EngineSnapshot(healthy=True)
        return self.hub.publish(scrape, box=self.name, instance=instance)

    async def watch_engine(
        self, instance: str, cadence: Cadence
    ) -> AsyncIterator[Fact[EngineSnapshot]]:
        self._may("watch_engine")
        if self.scrape is not None:
            yield await self.engine(instance)
        await self._until_lost()

    async def logs(
        self,
        instance: str,
        *,
        tail: int | None = 200,
        follow: bool = False,
        cursor: LogCursor | None = None,
    ) -> AsyncIterator[Fact[LogLine]]:
        self._may("logs")
        for text in self.log:
            yield self.hub.publish(LogLine(text=text), box=self.name, instance=instance)
        await self._until_lost()

    async def launches(self) -> tuple[Fact[LaunchProgress], ...]:
        return ()

    async def watch_launch(self, launch_id: str) -> AsyncIterator[Fact[LaunchProgress]]:
        if self.progress is not None:
            yield self.hub.publish(self.progress, box=self.name)
        await self._until_lost()

    @asynccontextmanager
    async def forward(self, instance: str, local_port: int = 0) -> AsyncIterator[Forward]:
        yield Forward("http://127.0.0.1:45678/v1", 45678, None)

    async def launch(
        self, spec: LaunchSpec, secrets: Secrets, *, replaces: str | None = None
    ) -> str:
        self.calls.append(("launch", spec, secrets, *((replaces,) if replaces else ())))
        self._may("launch")
        return spec.launch_id

    async def cancel(self, launch_id: str) -> Fact[Notice]:
        self.calls.append(("cancel", launch_id))
        self._may("cancel")
        return self.hub.publish(Notice(text="The launch was cancelled."), box=self.name)

    async def load_image(self, parts: AsyncIterator[bytes]) -> Fact[Notice]:
        self.calls.append(("load_image",))
        self._may("load_image")
        return self.hub.publish(Notice(text="Docker has it."), box=self.name)

    async def restart(self, instance: str, *, drain_s: int | None = None) -> Fact[Notice]:
        self.calls.append(("restart", instance, drain_s))
        self._may("restart")
        if self.held is not None:
            await self.held.wait()
        return self.hub.publish(Notice(text=f"{instance} was restarted."), box=self.name)

    async def stop(
        self, instance: str, *, drain_s: int | None = None, grace_s: int | None = None
    ) -> Fact[Notice]:
        self.calls.append(("stop", instance) if drain_s is None else ("stop", instance, drain_s))
        self._may("stop")
        if self.held is not None:
            await self.held.wait()
        self.servers = tuple(one for one in self.servers if one.name != instance)
        return self.hub.publish(Notice(text=f"{instance} was stopped."), box=self.name)

    async def drain(self, instance: str, within_s: float) -> Fact[Notice]:
        self.calls.append(("drain", instance, within_s))
        self._may("drain")
        return self.hub.publish(Notice(text=f"{instance} was drained."), box=self.name)

    async def spot(self) -> Fact[SpotNotice] | None:
        return None

    async def watch_spot(self, known: SpotNotice | None = None) -> AsyncIterator[Fact[SpotNotice]]:
        self.known.append(known)
        self._may("watch_spot")
        for notice in self.notices:
            yield self.hub.publish(notice, box=self.name)
        await self._until_lost()

    async def chat(
        self, instance: str, request: ChatRequest, api_key: Secret | None = None
    ) -> AsyncIterator[Fact[ChatDelta | ChatDone]]:
        self.calls.append(("chat", instance, request, api_key))
        self._may("chat")
        for piece in self.answer:
            yield self.hub.publish(piece, box=self.name, instance=instance)
        if not any(isinstance(piece, ChatDone) for piece in self.answer):
            await self._until_lost()

    async def survey(self) -> Fact[Survey]:
        self._may("survey")
        return self.hub.publish(self.found, box=self.name)

    async def repair(
        self, repair: Repair, prompter: Prompter | None = None
    ) -> AsyncIterator[Fact[RepairLine | RepairEnded]]:
        self.calls.append(("repair", repair.name))
        self._may("repair")
        line = RepairLine(repair=repair.name, text="it says this")
        yield self.hub.publish(line, box=self.name)
        yield self.hub.publish(RepairEnded(repair=repair.name, status=0), box=self.name)

    async def aclose(self) -> None:
        self.lose()


class FakeFleet:
    """A `FleetPort` over boxes made by hand. `refuses` says what a call on it raises, by name."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.hub = Hub(clock)
        self.read_only = False
        self.prompter: Prompter | None = None
        self.forgotten: list[str] = []
        self.boxes: dict[str, FakeBox] = {}
        self.connected: set[str] = set()
        self.accepted: list[str] = []
        self.remembered: list[str] = []
        self.refuses: dict[str, GptossError] = {}

    def have(self, *boxes: FakeBox) -> None:
        self.boxes |= {box.name: box for box in boxes}

    def _may(self, call: str) -> None:
        if call in self.refuses:
            raise self.refuses[call]

    def candidates(self) -> tuple[BoxEntry, ...]:
        self._may("candidates")
        return tuple(
            BoxEntry(name, "ssh", name, "remembered" if name in self.remembered else "ssh config")
            for name in self.boxes
        )

    def add(self, line: str) -> BoxEntry:
        self._may("add")
        self.have(FakeBox(line.rsplit(maxsplit=1)[-1], self.hub))
        return self.candidates()[-1]

    def remember(self, name: str) -> None:
        self.remembered.append(name)

    def forget(self, name: str) -> None:
        self._may("forget")
        self.remembered.remove(name)
        self.boxes.pop(name, None)

    async def prepare(self) -> None:
        """There is nothing to load."""

    async def connect(self, name: str) -> Box:
        self._may("connect")
        self.connected.add(name)
        return self.boxes[name]

    def accept_host_key(self, error: UnknownHostKeyError) -> None:
        self._may("accept_host_key")
        self.accepted.append(error.key)
        self.refuses.pop("connect", None)

    def forget_host_key(self, error: ChangedHostKeyError) -> None:
        self._may("forget_host_key")
        self.forgotten.append(error.key)
        self.refuses.pop("connect", None)

    def box(self, name: str) -> Box | None:
        return self.boxes.get(name) if name in self.connected else None

    async def disconnect(self, name: str) -> None:
        self.connected.discard(name)
