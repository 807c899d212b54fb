"""How Ollama comes up in a simulated container: it listens at once, and loads when it is asked.

Wordings: published journals of Ollama 0.11.
"""

from __future__ import annotations

from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.ollama import slot_gib, weights_gib
from gptoss_tui.sim.container import Container, size_of
from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.world import World

_LAYERS = {"20b": 25, "120b": 37}


async def start_ollama(container: Container, world: World) -> None:
    """Listen; the model comes later, by calls."""
    await world.starting(0.4)
    listening = f"Listening on [::]:11434 (version {container.version})"
    say(container, world, f'source=routes.go:1569 msg="{listening}"')
    environment = container.environment
    slots = int(environment.get("OLLAMA_NUM_PARALLEL", 1))
    container.engine = EngineModel(
        kv_tokens=slots * int(environment.get("OLLAMA_CONTEXT_LENGTH", 4096)),
        kv_blocks=slots,
        max_concurrency=float(slots),
        slots=slots,
        rate=120.0,
        traffic=0.0,
        seed=world.seed,
        since=world.clock.seconds(),
    )
    world.changed()


def say(container: Container, world: World, text: str) -> None:
    """One line of its log."""
    now = world.clock.now()
    container.say(now, f"time={now:%Y-%m-%dT%H:%M:%S.000Z} level=INFO {text}")


async def load(container: Container, world: World, model: str) -> None:
    """Bring a model that was pulled into the GPUs."""
    if container.loaded == model or container.engine is None:
        return
    size = size_of(model)
    layers, weights = _LAYERS[size], weights_gib(model_named(size))
    slots, kind = container.engine.slots, container.environment.get("OLLAMA_KV_CACHE_TYPE")
    context = container.engine.kv_tokens // slots
    cache = slots * slot_gib(model_named(size), context, kind)
    say(
        container,
        world,
        'source=server.go:398 msg="starting runner" cmd="ollama runner --port 43263"',
    )
    await world.starting(1.0)
    container.busy = 0.2
    say(container, world, f'source=ggml.go:498 msg="offloaded {layers}/{layers} layers to GPU"')
    say(container, world,
        f'source=backend.go:310 msg="model weights" device=CUDA0 size="{weights:.1f} GiB"')  # fmt: skip
    say(container, world,
        f'source=backend.go:321 msg="kv cache" device=CUDA0 size="{cache:.1f} GiB"')  # fmt: skip
    for step in range(1, 9):
        await world.starting(0.4)
        container.memory_mib = 1024 * (weights + cache) * step / 8
    container.busy, container.loaded = 0.0, model
    say(container, world, 'source=server.go:1288 msg="llama runner started in 4.20 seconds"')
    world.changed()
