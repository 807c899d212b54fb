"""What the app asks of boxes: intents become calls, and facts come by the hub.

Beside this only `app.forwards` and `app.preemption` call a box.

A feed lives on the app, not on a screen: it goes on when its screen is left. Each has a worker
group of its own, so that no feed can cancel another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from gptoss_tui.app.cadence import BOX_S, INSTANCES_S
from gptoss_tui.app.forwards import Forwards
from gptoss_tui.app.messages import (
    ActionFailed,
    ChatFailed,
    HostKeyAsked,
    LaunchRequested,
    Part,
    WatchFailed,
)
from gptoss_tui.domain.chat import ChatRequest
from gptoss_tui.domain.repair.types import Repair
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import (
    BoxError,
    ConnectionLostError,
    GptossError,
    UnknownHostKeyError,
)
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.carry_out import carry_out
from gptoss_tui.remote.fleet_port import FleetPort
from gptoss_tui.remote.keeper import Keeper
from gptoss_tui.remote.reconnect import WakeDetector
from gptoss_tui.remote.resume import LogCursor
from gptoss_tui.state.debug_log import internal
from gptoss_tui.state.paths import paths

if TYPE_CHECKING:
    from textual.app import App

AGAIN_S = 2.0  # after something watched ended although the box is there
AGAIN_MOST_S = 30.0  # where it ends again and again: a box without a GPU, say
STEADY_S = 10.0  # what went well for so long is a new beginning
PANES_S = 0.3  # what the panes of a box that serves need to come to life


@dataclass(frozen=True, eq=False)
class Stopping:
    """One stop that goes on; `restart` is whether the server is started again."""

    restart: bool


class Feeds:
    """Starts and ends feeds. Every failure becomes a message; none ends the app.

    `stopping` has the stop that goes on by box and name of the server.
    """

    def __init__(self, app: App[Any], fleet: FleetPort) -> None:
        self._app = app
        self._fleet = fleet
        self.stopping: dict[tuple[str, str], Stopping] = {}
        self._keepers: dict[str, Keeper] = {}
        self._cursors: dict[tuple[str, str], LogCursor] = {}
        self.forwards = Forwards(self, fleet.hub)

    def start(self, work: Coroutine[Any, Any, None], kind: str, box: str, doing: str = "") -> None:
        """Run `work` beside all other kinds; where it fails, `doing` says at what."""
        self._app.run_worker(
            self._told(work, doing or f"{kind} {box}", box),
            name=f"{kind} {box}",
            group=f"{kind}:{box}",
            exclusive=True,
            exit_on_error=False,
        )

    async def _told(self, work: Coroutine[Any, Any, None], doing: str, box: str) -> None:
        try:
            await work
        except GptossError as error:
            self._failed(box, doing, error)
        except Exception as error:  # a fault of ours must not end a feed in silence
            self._failed(box, doing, internal(error, paths().debug_log))

    def _failed(self, box: str | None, doing: str, error: GptossError) -> None:
        self._app.post_message(ActionFailed(box, doing, error))

    # --- the connection -------------------------------------------------------------------------

    def connect(self, name: str) -> None:
        """Connect, look, and watch GPUs and servers; come back after a loss."""
        keeper = self._keepers.get(name)
        if keeper is not None and keeper.waiting:
            keeper.hurry()
            return
        self._keepers[name] = keeper = Keeper(name, self._fleet, self._watch)
        self.start(self._session(name, keeper), "session", name)
        if len(self._keepers) == 1:
            self.start(self._wakes(), "wakes", "")

    def disconnect(self, name: str) -> None:
        self._app.workers.cancel_group(self._app, f"session:{name}")
        self._keepers.pop(name, None)
        self.start(self._fleet.disconnect(name), "disconnect", name)

    async def _session(self, name: str, keeper: Keeper) -> None:
        doing = f"connect to {name}"
        try:
            await keeper.run(lambda error: self._failed(name, doing, error))
        except UnknownHostKeyError as error:
            self._app.post_message(HostKeyAsked(name, error))
        except GptossError as error:
            self._failed(name, doing, error)
        finally:
            if self._keepers.get(name) is keeper:
                del self._keepers[name]

    async def _wakes(self) -> None:
        """A laptop that wakes asks its boxes at once: what was in the way is often gone."""
        wakes = WakeDetector()
        while self._keepers:
            await asyncio.sleep(1)
            if wakes.slept_s():
                for keeper in self._keepers.values():
                    keeper.hurry()

    async def _watch(self, box: Box) -> None:
        """Everything that is always watched, while the box is connected."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again(self._gpus, box, ""))
            group.create_task(self._again(self._servers, box, f"list the servers of {box.name}"))

    async def _again(self, watch: Callable[[Box], Awaitable[None]], box: Box, doing: str) -> None:
        """Begin anew what ended while the link is open: Docker restarts, a driver is reloaded.

        Why it ended is told once, until it goes well again; with no `doing` the report says it.
        """
        loop, pause, told = asyncio.get_running_loop(), AGAIN_S, ""
        while True:
            began = loop.time()
            failure: GptossError | None = None
            try:
                await watch(box)
            except GptossError as error:
                failure = error
            except Exception as error:  # a fault of ours must not end all watching in silence
                failure = internal(error, paths().debug_log)
            if loop.time() - began > STEADY_S:
                pause, told = AGAIN_S, ""
            if failure is not None and doing and box.link.open and str(failure) != told:
                told = str(failure)
                self._failed(box.name, doing, failure)
            await asyncio.sleep(pause)
            pause = min(2 * pause, AGAIN_MOST_S)

    async def _look(self, box: Box) -> None:
        try:
            await box.look()
            await box.launches()
        except ConnectionLostError:
            raise
        except GptossError as error:
            self._failed(box.name, f"look at {box.name}", error)

    async def _gpus(self, box: Box) -> None:
        stream = cast("Any", box.watch_gpus(Cadence(period_s=1.0)))
        async with aclosing(stream) as facts:
            async for _ in facts:
                pass  # the hub has shown it to the app already

    async def _servers(self, box: Box) -> None:
        """What runs comes first, for panes wait for it; the look then adds what runs by itself."""
        listed = await box.instances(ask=False)
        if listed.body.instances:
            await asyncio.sleep(PANES_S)
        await box.instances()
        await self._look(box)
        while True:
            await box.instances()
            await asyncio.sleep(INSTANCES_S)

    def look(self, name: str) -> None:
        box = self._fleet.box(name)
        if box is None or not box.link.open:
            self.connect(name)
            return
        self.start(self._look(box), "look", name, "look again")

    # --- one server -----------------------------------------------------------------------------

    def watch_engine(self, name: str, instance: str | None) -> None:
        self._app.workers.cancel_group(self._app, f"engine:{name}")
        if instance is not None:
            self.start(self._engine(name, instance), "engine", name)

    async def _engine(self, name: str, instance: str) -> None:
        while True:
            box = await self.open_box(name)
            stream = cast("Any", box.watch_engine(instance, Cadence(period_s=1.0)))
            await self._seen(box, instance, "engine", stream)
            await asyncio.sleep(AGAIN_S)

    async def _seen(self, box: Box, instance: str, part: Part, stream: Any) -> None:
        """Follow `stream` to its end. Why it cannot be followed is said where it would be seen."""
        try:
            async with aclosing(stream) as facts:
                async for _ in facts:
                    pass
        except ConnectionLostError:
            pass  # the link tells of itself
        except GptossError as error:
            if box.link.open:
                self._app.post_message(WatchFailed(box.name, instance, part, error))

    async def open_box(self, name: str) -> Box:
        """The box, as soon as there is a connection to it."""
        while True:
            box = self._fleet.box(name)
            if box is not None and box.link.open:
                return box
            await asyncio.sleep(BOX_S)

    def follow_logs(self, name: str, instance: str | None) -> None:
        self._app.workers.cancel_group(self._app, f"logs:{name}")
        if instance is not None:
            self.start(self._logs(name, instance), "logs", name)

    async def _logs(self, name: str, instance: str) -> None:
        """The cursor outlives connections, and other logs that are looked at in between."""
        cursor = self._cursors.setdefault((name, instance), LogCursor())
        while True:
            box = await self.open_box(name)
            stream = cast("Any", box.logs(instance, tail=500, follow=True, cursor=cursor))
            await self._seen(box, instance, "log", stream)
            await asyncio.sleep(AGAIN_S)

    def chat(self, name: str, instance: str, request: ChatRequest, key: Secret | None) -> None:
        self.start(self._chat(name, instance, request, key), f"chat-{instance}", name)

    def stop_chat(self, name: str, instance: str) -> None:
        self._app.workers.cancel_group(self._app, f"chat-{instance}:{name}")

    async def _chat(
        self, name: str, instance: str, request: ChatRequest, key: Secret | None
    ) -> None:
        try:
            box = await self._fleet.connect(name)
            stream = cast("Any", box.chat(instance, request, key))
            async with aclosing(stream) as facts:
                async for _ in facts:
                    pass
        except GptossError as error:
            self._app.post_message(ChatFailed(name, instance, error))
        except Exception as error:  # else the answer would be waited for without an end
            failure = internal(error, paths().debug_log)
            self._app.post_message(ChatFailed(name, instance, failure))

    # --- launching and stopping -----------------------------------------------------------------

    def launch(self, asked: LaunchRequested) -> None:
        self.start(self._launch(asked), f"launch-{asked.spec.launch_id}", asked.box)

    async def _launch(self, asked: LaunchRequested) -> None:
        try:
            box = await self._fleet.connect(asked.box)
            if asked.replaces is not None:
                await box.stop(asked.replaces)
            launch_id = await box.launch(asked.spec, asked.secrets, replaces=asked.upgrades)
            try:
                await self._follow_launch(box, launch_id)
            except BoxError:  # it goes on there, whatever keeps us from seeing it
                self.watch_launch(asked.box, launch_id)
        except ConnectionLostError:
            self.watch_launch(asked.box, asked.spec.launch_id)
        except GptossError as error:
            self._failed(asked.box, f"launch {asked.spec.name}", error)

    def watch_launch(self, name: str, launch_id: str) -> None:
        """Follow a launch that is under way, also across a loss of the connection."""
        self.start(self._watch_launch(name, launch_id), f"launch-{launch_id}", name)

    async def _watch_launch(self, name: str, launch_id: str) -> None:
        while True:
            box = await self.open_box(name)
            try:
                await self._follow_launch(box, launch_id)
            except BoxError:
                await asyncio.sleep(BOX_S)
            except GptossError as error:
                self._failed(name, f"watch launch {launch_id}", error)
                return
            else:
                return

    async def _follow_launch(self, box: Box, launch_id: str) -> None:
        stream = cast("Any", box.watch_launch(launch_id))
        async with aclosing(stream) as facts:
            async for _ in facts:
                pass
        await self._settled(box)

    async def _settled(self, box: Box) -> None:
        """What runs has changed: the list first, then all that else was said of the box."""
        await box.instances()
        await self._look(box)

    def cancel(self, name: str, launch_id: str) -> None:
        async def work() -> None:
            box = await self._fleet.connect(name)
            await box.cancel(launch_id)
            await self._settled(box)

        self.start(work(), f"cancel-{launch_id}", name, "cancel the launch")

    def stop(self, name: str, instance: str, drain_s: int | None = None) -> None:
        async def work() -> None:
            with self._stops(name, instance, restart=False):
                box = await self._fleet.connect(name)
                await box.stop(instance, drain_s=drain_s)
            await self._settled(box)

        self.start(work(), f"stop-{instance}", name, f"stop {instance}")

    def survey(self, name: str) -> None:
        """Look at the box, and at what repairs need to know besides."""
        self.start(self._survey(name), "survey", name, f"look at {name}")

    async def _survey(self, name: str) -> None:
        box = await self._fleet.connect(name)
        await box.look()
        await box.survey()

    def repair(self, name: str, repair: Repair) -> None:
        async def work() -> None:
            async with aclosing(carry_out(self._fleet, name, repair)) as facts:
                async for _ in facts:
                    pass  # the hub has shown it to the app already
            await self._survey(name)

        self.start(work(), f"repair-{repair.name}", name, f"repair {name}")

    def restart(self, name: str, instance: str) -> None:
        async def work() -> None:
            with self._stops(name, instance, restart=True):
                box = await self._fleet.connect(name)
                await box.restart(instance)
            await self._settled(box)

        self.start(work(), f"stop-{instance}", name, f"restart {instance}")

    @contextmanager
    def _stops(self, name: str, instance: str, *, restart: bool) -> Iterator[None]:
        key = (name, instance)
        mine = self.stopping[key] = Stopping(restart)
        try:
            yield
        finally:
            if self.stopping.get(key) is mine:  # one that was overtaken still ends its requests
                del self.stopping[key]
