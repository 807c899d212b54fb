"""How Ollama comes up in a simulated container: it listens at once, and loads when it is asked.

Wordings: Ollama 0.13.3 as it ran on an H100 and in `tests/checks/ollama_server.py`.
"""

from __future__ import annotations

from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.ollama import CONTEXT_GIB, Load, served_context, weights_gib
from gptoss_tui.sim.container import Container, new_id, size_of
from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.world import World

_LAYERS = {"20b": 25, "120b": 37}
_RUNNER = "/usr/bin/ollama runner --ollama-engine"


async def start_ollama(container: Container, world: World) -> None:
    """Listen; the model comes later, by calls."""
    await world.starting(0.4)
    listening = f"Listening on [::]:11434 (version {container.version})"
    say(container, world, f'source=routes.go:1607 msg="{listening}"')
    # A runner without a model looks for GPUs, and ends.
    say(
        container, world, f'source=server.go:392 msg="starting runner" cmd="{_RUNNER} --port 40461"'
    )
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


def say(container: Container, world: World, text: str, level: str = "INFO") -> None:
    """One line of its log."""
    now = world.clock.now()
    container.say(now, f"time={now:%Y-%m-%dT%H:%M:%S.000Z} level={level} {text}")


async def load(container: Container, world: World, model: str) -> str | None:
    """Bring a model that was pulled into the GPUs. Why that failed, or None."""
    if container.loaded == model or container.engine is None:
        return None
    size = size_of(model)
    layers, weights = _LAYERS[size], weights_gib(model_named(size))
    slots, kind = container.engine.slots, container.environment.get("OLLAMA_KV_CACHE_TYPE")
    memory = sum(card.memory_mib for card in world.profile.cards) * 1024**2
    context = served_context(container.engine.kv_tokens // slots, memory)
    planned = Load(model_named(size), context, slots, kind)
    cache, fixed = planned.cache_gib, planned.fixed_gib(1)
    blob = f"/root/.ollama/models/blobs/sha256-{new_id(model, 0)}"
    command = f"{_RUNNER} --model {blob} --port 38221"
    say(container, world, f'source=server.go:392 msg="starting runner" cmd="{command}"')
    await world.starting(1.0)
    if world.dies_loading(container):
        # What Ollama sees not to fit it leaves on the CPU; what it took to fit may fail to be
        # allocated all the same, in these words: https://github.com/ollama/ollama/issues/9782.
        failure = "llama runner process has terminated: cudaMalloc failed: out of memory"
        say(container, world, f'source=sched.go:456 msg="error loading llama server" error="{failure}"',
            "ERROR")  # fmt: skip
        return failure
    container.busy = 0.2
    for line in (
        f'source=ggml.go:494 msg="offloaded {layers}/{layers} layers to GPU"',
        f'source=device.go:240 msg="model weights" device=CUDA0 size="{_size(weights)}"',
        f'source=device.go:251 msg="kv cache" device=CUDA0 size="{_size(cache)}"',
        f'source=device.go:262 msg="compute graph" device=CUDA0 size="{_size(fixed - CONTEXT_GIB)}"',
        'source=server.go:1301 msg="waiting for llama runner to start responding"',
    ):
        say(container, world, line)
    for step in range(1, 9):
        await world.starting(0.4)
        container.memory_mib = 1024 * (weights + cache + fixed) * step / 8
    container.busy, container.loaded = 0.0, model
    say(container, world, 'source=server.go:1339 msg="llama runner started in 4.20 seconds"')
    world.changed()
    return None


def _size(gib: float) -> str:
    return f"{gib:.1f} GiB" if gib >= 1 else f"{gib * 1024:.1f} MiB"
