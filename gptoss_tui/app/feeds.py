"""The only part of the app that touches boxes: intents become calls, and facts come by the hub.

A feed lives on the app, not on a screen: it goes on when its screen is left. Each has a worker
group of its own, so that no feed can cancel another one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, cast

from gptoss_tui.app.messages import ActionFailed, ChatRequested, HostKeyAsked, LaunchRequested
from gptoss_tui.domain.host import LinkState
from gptoss_tui.errors import (
    AuthError,
    BoxError,
    ChangedHostKeyError,
    CommandError,
    ConnectionLostError,
    GptossError,
    NotFoundError,
    UnknownHostKeyError,
    UnknownNameError,
)
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.fleet_port import FleetPort

if TYPE_CHECKING:
    from textual.app import App

INSTANCES_S = 4.0
RETRY_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# A login that was refused is not tried again by itself: it may lock the user out.
_FINAL = (AuthError, ChangedHostKeyError, UnknownNameError)


class Feeds:
    """Starts and ends feeds. Every failure becomes a message; none ends the app."""

    def __init__(self, app: App[Any], fleet: FleetPort) -> None:
        self._app = app
        self._fleet = fleet
        self._forwards: dict[tuple[str, str], asyncio.Event] = {}

    def _start(self, work: Coroutine[Any, Any, None], kind: str, box: str) -> None:
        self._app.run_worker(
            work,
            name=f"{kind} {box}",
            group=f"{kind}:{box}",
            exclusive=True,
            exit_on_error=False,
        )

    def _say(self, box: str, phase: Any, reason: str = "") -> None:
        self._fleet.hub.publish(LinkState(phase=phase, reason=reason), box=box)

    def _failed(self, box: str | None, doing: str, error: GptossError) -> None:
        self._app.post_message(ActionFailed(box, doing, error))

    # --- the connection -------------------------------------------------------------------------

    def connect(self, name: str) -> None:
        """Connect, look, and watch GPUs and servers; come back after a loss."""
        self._start(self._session(name), "session", name)

    def disconnect(self, name: str) -> None:
        self._app.workers.cancel_group(self._app, f"session:{name}")
        self._start(self._fleet.disconnect(name), "disconnect", name)

    async def _session(self, name: str) -> None:
        attempt = 0
        while True:
            self._say(name, "connecting" if attempt == 0 else "retrying")
            try:
                box = await self._fleet.connect(name)
                self._fleet.remember(name)
            except UnknownHostKeyError as error:
                self._say(name, "needs_you", error.message)
                self._app.post_message(HostKeyAsked(name, error))
                return
            except _FINAL as error:
                self._say(name, "lost", error.message)
                self._failed(name, f"connect to {name}", error)
                return
            except GptossError as error:
                if attempt == 0:
                    self._failed(name, f"connect to {name}", error)
                self._say(name, "retrying", str(error))
            else:
                attempt = 0
                self._say(name, "up")
                await self._watch(box)
                self._say(name, "lost", "The connection was lost; what runs on the box goes on.")
            pause = RETRY_S[min(attempt, len(RETRY_S) - 1)]
            attempt += 1
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311

    async def _watch(self, box: Box) -> None:
        """Everything that is always watched, until the connection is lost."""
        with suppress(BaseExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look(box))
                group.create_task(self._gpus(box))
                group.create_task(self._instances(box))

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
        try:
            async with aclosing(stream) as facts:
                async for _ in facts:
                    pass  # the hub has shown it to the app already
        except CommandError:
            return  # no GPU or no driver: the report's findings say so

    async def _instances(self, box: Box) -> None:
        while True:
            await box.instances()
            if box.link.phase != "up":
                raise ConnectionLostError("The connection was lost.")
            await asyncio.sleep(INSTANCES_S)

    def look(self, name: str) -> None:
        box = self._fleet.box(name)
        if box is None or box.link.phase != "up":
            self.connect(name)
            return
        self._start(self._quietly(box, "look again", self._look(box)), "look", name)

    async def _quietly(self, box: Box, doing: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except GptossError as error:
            self._failed(box.name, doing, error)

    # --- one server -----------------------------------------------------------------------------

    def watch_engine(self, name: str, instance: str | None) -> None:
        self._app.workers.cancel_group(self._app, f"engine:{name}")
        if instance is not None:
            self._start(self._engine(name, instance), "engine", name)

    async def _engine(self, name: str, instance: str) -> None:
        while True:
            box = self._fleet.box(name)
            if box is not None and box.link.phase == "up":
                stream = cast("Any", box.watch_engine(instance, Cadence(period_s=1.0)))
                with suppress(BoxError, NotFoundError):
                    async with aclosing(stream) as facts:
                        async for _ in facts:
                            pass
            await asyncio.sleep(2)

    def follow_logs(self, name: str, instance: str | None) -> None:
        self._app.workers.cancel_group(self._app, f"logs:{name}")
        if instance is not None:
            self._start(self._logs(name, instance), "logs", name)

    async def _logs(self, name: str, instance: str) -> None:
        since = None
        while True:
            box = self._fleet.box(name)
            if box is not None and box.link.phase == "up":
                tail = 500 if since is None else None
                stream = cast("Any", box.logs(instance, tail=tail, follow=True, since=since))
                with suppress(GptossError):
                    async with aclosing(stream) as facts:
                        async for fact in facts:
                            since = fact.box_time or since
            await asyncio.sleep(3)

    def chat(self, asked: ChatRequested) -> None:
        self._start(self._chat(asked), "chat", asked.box)

    def stop_chat(self, name: str) -> None:
        self._app.workers.cancel_group(self._app, f"chat:{name}")

    async def _chat(self, asked: ChatRequested) -> None:
        try:
            box = await self._fleet.connect(asked.box)
            stream = cast("Any", box.chat(asked.instance, asked.request, asked.api_key))
            async with aclosing(stream) as facts:
                async for _ in facts:
                    pass
        except GptossError as error:
            self._failed(asked.box, "chat", error)

    # --- launching and stopping -----------------------------------------------------------------

    def launch(self, asked: LaunchRequested) -> None:
        self._start(self._launch(asked), "launch", asked.box)

    async def _launch(self, asked: LaunchRequested) -> None:
        try:
            box = await self._fleet.connect(asked.box)
            launch_id = await box.launch(asked.spec, asked.secrets)
            await self._follow_launch(box, launch_id)
        except ConnectionLostError:
            self.watch_launch(asked.box, asked.spec.launch_id)
        except GptossError as error:
            self._failed(asked.box, f"launch {asked.spec.name}", error)

    def watch_launch(self, name: str, launch_id: str) -> None:
        """Follow a launch that is under way, also across a loss of the connection."""
        self._start(self._watch_launch(name, launch_id), "launch", name)

    async def _watch_launch(self, name: str, launch_id: str) -> None:
        while True:
            box = self._fleet.box(name)
            if box is not None and box.link.phase == "up":
                try:
                    await self._follow_launch(box, launch_id)
                except BoxError:
                    pass
                except GptossError as error:
                    self._failed(name, f"watch launch {launch_id}", error)
                    return
                else:
                    return
            await asyncio.sleep(1)

    async def _follow_launch(self, box: Box, launch_id: str) -> None:
        stream = cast("Any", box.watch_launch(launch_id))
        async with aclosing(stream) as facts:
            async for _ in facts:
                pass
        await box.instances()

    def cancel(self, name: str, launch_id: str) -> None:
        async def work() -> None:
            box = await self._fleet.connect(name)
            await box.cancel(launch_id)
            await box.instances()

        self._change(name, "cancel the launch", work(), "cancel")

    def stop(self, name: str, instance: str) -> None:
        async def work() -> None:
            box = await self._fleet.connect(name)
            await box.stop(instance)
            await box.instances()

        self._change(name, f"stop {instance}", work(), "stop")

    def _change(self, name: str, doing: str, work: Coroutine[Any, Any, None], kind: str) -> None:
        async def guarded() -> None:
            try:
                await work
            except GptossError as error:
                self._failed(name, doing, error)

        self._start(guarded(), kind, name)

    # --- the endpoint on this machine -----------------------------------------------------------

    def forward(self, name: str, instance: str) -> bool:
        """Open the endpoint, or close it when it is open; True when it is being opened."""
        key = (name, instance)
        if key in self._forwards:
            self._forwards.pop(key).set()
            return False
        ended = self._forwards[key] = asyncio.Event()
        self._start(self._forward(name, instance, ended), f"forward-{instance}", name)
        return True

    async def _forward(self, name: str, instance: str, ended: asyncio.Event) -> None:
        from gptoss_tui.domain.instance import Notice

        try:
            box = await self._fleet.connect(name)
            async with box.forward(instance) as opened:
                notice = Notice(text=f"{instance} is open at {opened.base_url} on this machine.")
                self._fleet.hub.publish(notice, box=name, instance=instance)
                await ended.wait()
        except GptossError as error:
            self._failed(name, f"forward {instance}", error)
        finally:
            self._forwards.pop((name, instance), None)
