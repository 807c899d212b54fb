"""The HTTP clients of a box's servers: one per port and engine, kept while the box is connected."""

from __future__ import annotations

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.instance import Instance
from gptoss_tui.remote.engine_client import EngineClient
from gptoss_tui.remote.pulse import REAL, Pulse
from gptoss_tui.remote.transport import Transport


class EngineClients:
    """Whoever asks a server shares its channels, and what its health route said last."""

    def __init__(self, transport: Transport, pulse: Pulse = REAL) -> None:
        self._transport = transport
        self._pulse = pulse
        self._clients: dict[tuple[str, int, str], EngineClient] = {}

    def of(self, instance: Instance) -> EngineClient:
        """The client of a server that publishes a port."""
        assert instance.port is not None
        where = (instance.host, instance.port)
        key = (*where, instance.engine or "vllm")
        if key not in self._clients:
            engine = engine_named(key[2])
            self._clients[key] = EngineClient(self._transport, engine, *where, self._pulse)
        return self._clients[key]

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()
