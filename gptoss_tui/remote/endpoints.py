"""Using a server: scrapes with rates, chat, and a port on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec

from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatRequest
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.rates import rates
from gptoss_tui.domain.secret import Secret
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import EngineError, NotFoundError
from gptoss_tui.remote.beat import Beat
from gptoss_tui.remote.box import Forward
from gptoss_tui.remote.engine_clients import EngineClients
from gptoss_tui.remote.pulse import REAL, Pulse
from gptoss_tui.remote.servers import Servers
from gptoss_tui.remote.transport import Transport

MISSES = 2  # so many answers in a row must have come too late for a server to be called silent


class Endpoints:
    """What is asked of a server by its name."""

    def __init__(
        self,
        transport: Transport,
        servers: Servers,
        clients: EngineClients,
        beat: Beat,
        pulse: Pulse = REAL,
    ) -> None:
        self._pulse = pulse
        self._transport = transport
        self._servers = servers
        self._clients = clients
        self._beat = beat
        self._models: dict[tuple[str, str | None, int | None], str] = {}

    async def scrape(self, name: str, *, ask: bool = True) -> EngineSnapshot:
        """One scrape; health is asked for if `ask`. Raises `NotFoundError` or `EngineError`."""
        return await self._clients.of(await self._reachable(name)).snapshot(ask=ask)

    async def watch(self, name: str, period_s: float) -> AsyncGenerator[EngineSnapshot, None]:
        """Scrapes with rates between them; a silent server is a snapshot with `healthy` False."""
        before: tuple[float, EngineSnapshot] | None = None
        missed, first = 0, True
        while True:
            began = self._pulse.seconds()
            try:
                # The first figures are waited for; the second ones tell of health too.
                snapshot = await self.scrape(name, ask=not first)
            except EngineError as error:
                missed = (
                    missed + 1 if isinstance(error.__cause__, httpx.TimeoutException) else MISSES
                )
                # A box that is silent says nothing of its servers: no figure, rather than a bad one.
                if missed >= MISSES and self._transport.link.phase == "up":
                    yield EngineSnapshot(healthy=False, metrics=False)
                before = None
            else:
                missed = 0
                yield _with_rates(before, began, snapshot)
                before = (began, snapshot)
            first = False
            await self._beat.pause(began, period_s)

    async def chat(
        self, name: str, request: ChatRequest, api_key: Secret | None
    ) -> AsyncGenerator[ChatDelta | ChatDone, None]:
        """One answer. Raises `NotFoundError` or `EngineError`."""
        instance = await self._reachable(name)
        client = self._clients.of(instance)
        # Another container may get the name, with another model in it.
        process = (name, instance.container_id, instance.pid)
        if process not in self._models:
            self._models[process] = _meant(instance, await client.models(api_key))
        model = self._models[process]
        async with contextlib.aclosing(client.chat(model, request, api_key)) as pieces:
            noted = False
            async for piece in pieces:
                # A first token may be one without a text.
                if not noted and (isinstance(piece, ChatDelta) or piece.completion_tokens):
                    noted = True
                    await self._servers.answered(instance)
                yield piece

    @asynccontextmanager
    async def forward(self, name: str, local_port: int) -> AsyncIterator[Forward]:
        """A port of 127.0.0.1 here that leads to the server. Raises `NotFoundError`, `BoxError`."""
        instance = await self._reachable(name)
        assert instance.port is not None
        async with self._transport.listen(local_port, (instance.host, instance.port)) as port:
            yield Forward(f"http://127.0.0.1:{port}/v1", port, instance.model)

    async def _reachable(self, name: str) -> Instance:
        instance = await self._servers.named(name)
        if instance.port is None and instance.state == "launching":
            raise NotFoundError(
                f"{name} is still being launched: it does not answer yet.",
                "Wait for it, or cancel that launch.",
            )
        if instance.port is None:
            raise NotFoundError(
                f"{name} publishes no port on the box.",
                "It cannot be reached from outside its container network.",
            )
        return instance


def _meant(instance: Instance, served: tuple[str, ...]) -> str:
    """Which of its models is asked: Ollama lists all of its store, others their adapters."""
    if not served:
        raise EngineError(f"{instance.name} serves no model.", "See its log.")
    launched = instance.spec.served_name if instance.spec else instance.model
    return launched if launched in served else served[0]


def _with_rates(
    before: tuple[float, EngineSnapshot] | None, now: float, snapshot: EngineSnapshot
) -> EngineSnapshot:
    if before is None:
        return snapshot
    then, old = before
    found, restarted = rates(old.counters, snapshot.counters, now - then)
    return msgspec.structs.replace(
        snapshot, rates=None if restarted else found, restarted=restarted
    )
