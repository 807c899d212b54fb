"""Boxes kept and watched as the app does, with a record of what a user would have seen.

A keeper that connects, the GPU stream and the list of servers under it, and beside it a followed
log, an engine's figures and a forwarded endpoint, which begin anew by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from gptoss_tui.domain.facts import AnyFact, Hub
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import InstanceList, LogLine
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import GptossError
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.fleet import Fleet, FleetOptions
from gptoss_tui.remote.keeper import Keeper
from gptoss_tui.remote.resume import LogCursor
from gptoss_tui.state.paths import Paths
from tests.real.faults import eventually
from tests.real.light_box import age_of
from tests.real.light_engine import TALKER

INSTANCES_S = 4.0
AGAIN_S = 0.5
LOOK_S = 0.2  # how often the record looks at the screen, so to say
# Silence is told after 5 s, counted from the last byte, and looked for about every second.
SHOWN_S = 8.0
IN_FLIGHT_S = 1.5  # what was on its way when the box went
KEPT = 20  # examples of what was wrong


class Lines:
    """Whether numbered lines came exactly once and in order. Bounded, however many there are."""

    def __init__(self) -> None:
        self.expected = 0
        self.wrong: list[str] = []

    def take(self, text: str) -> None:
        number = int(text.split(maxsplit=1)[0])
        if number != self.expected:
            _note(self.wrong, f"line {number} came where {self.expected} was next")
        self.expected = max(self.expected, number + 1)


class Seen:
    """What was shown of one box. `gone_since` is set by whoever breaks it."""

    def __init__(self) -> None:
        self.phase = ""
        self.lines = Lines()
        self.samples = self.lists = self.scrapes = self.answers = self.losses = 0
        self.looks = 0
        self.gone_since: float | None = None
        self.wrong: list[str] = []  # said as if it was there, while the box was gone
        # Also untrue, but the link told of trouble or the box was there; or true, but late.
        self.remarks: list[str] = []
        self.fault = ""  # that was the last one
        # Age of a figure that stood as fresh when the link had been up for 3 s; after which fault.
        self.oldest = (0.0, "")
        self._figures: GpuSnapshot | None = None
        self._up_since = 0.0

    def take(self, fact: AnyFact) -> None:
        body = fact.body
        if isinstance(body, LinkState):
            self._link(body)
            return
        if isinstance(body, LogLine):  # which has its own time
            if not body.ours:
                self.lines.take(body.text)
            return
        if (untrue := _untrue(body)) or self.gone_for() > IN_FLIGHT_S:
            wrong = untrue and self.phase == "up" and self.gone_since
            _note(self.wrong if wrong else self.remarks, self._told(untrue or type(body).__name__))
        if isinstance(body, GpuSnapshot):
            self.samples += 1
            self._figures = body
        else:
            self.looks += isinstance(body, BoxReport)
            self.lists += fact.instance is None
            self.scrapes += fact.instance is not None

    def look(self) -> None:
        """What stands on the screen right now."""
        if self.phase != "up":
            return
        if self.gone_for() > SHOWN_S:
            _note(self.wrong, self._told("no word of it"))
        up_for = asyncio.get_running_loop().time() - self._up_since
        if self._figures and up_for > 3:
            age = round(age_of(self._figures), 1)
            self.oldest = max(self.oldest, (age, f"up for {up_for:.1f} s, {self.fault}"))

    def _told(self, what: str) -> str:
        gone = f" for {self.gone_for():.1f} s" if self.gone_since else ", undone or slow"
        return f"{self.phase}: {what} ({self.fault}{gone})"

    def gone_for(self) -> float:
        return asyncio.get_running_loop().time() - self.gone_since if self.gone_since else 0.0

    def _link(self, link: LinkState) -> None:
        if link.phase == "up" and self.phase != "up":
            self._up_since = asyncio.get_running_loop().time()
        self.losses += link.phase == "lost" != self.phase
        self.phase = link.phase


def _untrue(body: object) -> str:
    """What this says of the server, which always serves; empty when it says just that."""
    if isinstance(body, InstanceList):
        states = [one.state for one in body.instances]
        return "" if states == ["ready"] else f"a list of servers that are {states}"
    if isinstance(body, EngineSnapshot):
        return "" if body.healthy else "an engine that is not healthy"
    return ""


def _note(where: list[str], what: str) -> None:
    if len(where) < KEPT:
        where.append(what)


class AppBox:
    """One box, with all that the app has going for it."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.name = name
        self.seen = Seen()
        self.keeper = Keeper(name, fleet, self._watch)
        self.hub = fleet.hub
        self._fleet = fleet
        self._cursor = LogCursor()
        self._forget = self.hub.tap(lambda f: self.seen.take(f) if f.box == name else None)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.keeper.run(lambda error: None), name=f"keep {self.name}")
                for feed in (self._log, self._engine, self._forwarded):
                    group.create_task(self._whenever_open(feed))
                group.create_task(self._look())
        finally:
            self._forget()

    @property
    def opened(self) -> Box:
        """What a user who does something else on this box has."""
        box = self._fleet.box(self.name)
        assert box is not None
        return box

    async def flows(self, seconds: float = 60) -> float:
        """Wait until it is up and everything that is watched goes on; how long that took."""
        seen = self.seen

        def counts() -> tuple[int, ...]:
            return seen.lines.expected, seen.samples, seen.lists, seen.scrapes, seen.answers

        before = counts()

        def grown() -> bool:
            return seen.phase == "up" and all(
                now > then for now, then in zip(counts(), before, strict=True)
            )

        try:
            return await eventually(f"{self.name} flows", grown, seconds)
        except AssertionError as error:
            error.add_note(f"{seen.phase}: lines, samples, lists, scrapes, answers: {before}")
            error.add_note(f"now {counts()}")
            raise

    async def _look(self) -> None:
        while True:
            self.seen.look()
            await asyncio.sleep(LOOK_S)

    async def _watch(self, box: Box) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(lambda: _drain(box.watch_gpus(Cadence()))))
            group.create_task(self._again(lambda: self._servers(box)))

    async def _servers(self, box: Box) -> None:
        await box.instances()
        await box.look()
        while True:
            await asyncio.sleep(INSTANCES_S)
            await box.instances()

    async def _whenever_open(self, feed: Callable[[Box], Awaitable[None]]) -> None:
        async def once() -> None:
            box = self._fleet.box(self.name)
            if box is not None and box.link.open:
                await feed(box)

        await self._again(once)

    async def _again(self, watch: Callable[[], Awaitable[None]]) -> None:
        while True:
            with contextlib.suppress(GptossError):
                await watch()
            await asyncio.sleep(AGAIN_S)

    async def _log(self, box: Box) -> None:
        await _drain(box.logs(TALKER, tail=None, follow=True, cursor=self._cursor))

    async def _engine(self, box: Box) -> None:
        await _drain(box.watch_engine(TALKER, Cadence()))

    async def _forwarded(self, box: Box) -> None:
        """A user's program asks the endpoint every second, as long as it answers."""
        async with box.forward(TALKER) as opened:
            while box.link.open:
                self.seen.answers += await _asked(opened.port)
                await asyncio.sleep(1)


async def _drain(stream: AsyncIterator[Any]) -> None:
    async with aclosing(cast("Any", stream)) as facts:
        async for _ in facts:
            pass


async def _asked(port: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                return b"200" in await reader.readline()
            finally:
                writer.close()
    return False


@asynccontextmanager
async def as_app(config: Path, home: Path, *names: str) -> AsyncIterator[list[AppBox]]:
    """All of these boxes, each of them up and flowing when the block begins."""
    paths = Paths(config=home / "config", data=home / "data", state=home / "state")
    options = FleetOptions(config_file=config, with_local=False)
    async with Fleet(Hub(lambda: datetime.now(UTC)), paths, options) as fleet:
        boxes = [AppBox(fleet, name) for name in names]
        tasks = [asyncio.create_task(box.run(), name=f"app {box.name}") for box in boxes]
        try:
            await asyncio.gather(*(box.flows() for box in boxes))
            yield boxes
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [one for one in ended if not isinstance(one, asyncio.CancelledError | None)]
        assert not broken, broken
