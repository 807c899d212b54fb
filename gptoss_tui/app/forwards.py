"""Endpoints that are open on this machine: each until it is closed, whatever becomes of the link."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from gptoss_tui.app.cadence import BOX_S
from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.instance import Endpoint
from gptoss_tui.errors import ConnectionLostError
from gptoss_tui.remote.box import Box

if TYPE_CHECKING:
    from gptoss_tui.app.feeds import Feeds


class Forwards:
    """Opens and closes them; `feeds` has the boxes and runs the work."""

    def __init__(self, feeds: Feeds, hub: Hub) -> None:
        self._feeds = feeds
        self._hub = hub
        self._open: dict[tuple[str, str], asyncio.Event] = {}

    def toggle(self, name: str, instance: str) -> None:
        """Open the endpoint, or close it when it is open."""
        key = (name, instance)
        if key in self._open:
            self._open.pop(key).set()
            return
        ended = self._open[key] = asyncio.Event()
        work = self._forward(name, instance, ended)
        self._feeds.start(work, f"forward-{instance}", name, f"forward {instance}")

    async def _forward(self, name: str, instance: str, ended: asyncio.Event) -> None:
        """Open until `ended`; after a loss of the connection it is opened anew, at the same port."""
        port = 0
        try:
            while not ended.is_set():
                box = await self._feeds.open_box(name)
                with suppress(ConnectionLostError):
                    port = await self._opened(box, instance, ended, port)
                await asyncio.sleep(BOX_S)
        finally:
            if self._open.get((name, instance)) is ended:
                del self._open[name, instance]

    async def _opened(self, box: Box, instance: str, ended: asyncio.Event, port: int) -> int:
        """Open until `ended`, or until the box is lost; the port that it had."""
        tell = partial(self._hub.publish, box=box.name, instance=instance)
        async with box.forward(instance, port) as opened:
            tell(Endpoint(base_url=opened.base_url))
            try:
                while box.link.open and not ended.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(BOX_S):
                            await ended.wait()
            finally:
                tell(Endpoint())
        return opened.port
