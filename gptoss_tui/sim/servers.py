"""Which HTTP the server in a simulated container speaks."""

from __future__ import annotations

from gptoss_tui.sim.container import Container
from gptoss_tui.sim.http import Handler
from gptoss_tui.sim.ollama_api import OllamaApi
from gptoss_tui.sim.sglang_api import SglangApi
from gptoss_tui.sim.vllm_api import VllmApi
from gptoss_tui.sim.world import World

_APIS = {"vllm": VllmApi, "sglang": SglangApi, "ollama": OllamaApi}


def server(world: World, container: Container) -> Handler | None:
    """What answers on the container's port; None while nothing listens there."""
    if container.engine is None:
        return None
    return _APIS[container.kind](world, container, container.engine).handle
