"""How SGLang comes up in a simulated container. Wordings: its source of 0.5.23."""

from __future__ import annotations

from gptoss_tui.domain.plan.models import GIB, model_named
from gptoss_tui.domain.plan.sglang import token_bytes
from gptoss_tui.sim.container import MODELS, Container
from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.profile import H100
from gptoss_tui.sim.world import World

_GRAPHS = 23


async def start_sglang(container: Container, world: World) -> None:
    """Fetch, load, size the cache, capture, serve."""
    start = _Start(container, world)
    await start.load()
    await start.capture()
    start.serve()


class _Start:
    def __init__(self, container: Container, world: World) -> None:
        self._container = container
        self._world = world
        self._size = "120b" if "120b" in container.model else "20b"
        self._checkpoint, self._shards, self._rate = MODELS[self._size]
        options = container.options
        self._parallel = int(options.get("--tp", 1))
        self._context = int(options.get("--context-length", 131_072))
        card = world.profile.cards[0] if world.profile.cards else H100
        self._free = (card.memory_mib - card.reserved_mib) / 1024 - 0.5
        share = float(options.get("--mem-fraction-static", 0.88))
        self._pool = max(0.0, self._free * share - self._checkpoint / self._parallel)
        each = token_bytes(model_named(self._size), self._parallel, options.get("--kv-cache-dtype"))
        self._tokens = int(self._pool * GIB / each)

    def _say(self, text: str) -> None:
        now = self._world.clock.now()
        self._container.say(now, f"[{now:%Y-%m-%d %H:%M:%S} TP0] {text}")

    async def load(self) -> None:
        world, weights = self._world, self._checkpoint / self._parallel
        self._say(f"server_args={{'model_path': '{self._container.model}', 'api_key': None}}")
        await world.starting(1.5)
        self._say(f"Load weight begin. avail mem={self._free:.2f} GB")
        if not world.weights_cached(self._size):
            for step in range(1, 17):
                await world.starting(0.45)
                world.disk_used_gib[self._size] = self._checkpoint * step / 16
                world.changed()
        for shard in range(self._shards + 1):
            percent = 100 * shard // self._shards
            self._container.say(
                world.clock.now(),
                f"Loading safetensors checkpoint shards: {percent:3d}% Completed | "
                f"{shard}/{self._shards} [00:{shard:02d}<00:01,  1.31it/s]",
            )
            self._container.memory_mib = 1024 * weights * shard / self._shards
            self._container.busy = 0.08
            await world.starting(3.0 / self._shards)
        self._say(
            f"Load weight end. elapsed=3.10 s, type=GptOssForCausalLM, avail mem="
            f"{self._free - weights:.2f} GB, mem usage={weights:.2f} GB."
        )

    async def capture(self) -> None:
        half = self._pool / 2
        self._say(
            f"KV Cache is allocated. dtype: torch.bfloat16, #tokens: {self._tokens}, "
            f"K size: {half:.2f} GB, V size: {half:.2f} GB"
        )
        self._container.memory_mib += 1024 * self._pool
        await self._world.starting(0.8)
        self._say("Capture target decode CUDA graph begin. backend=full, num_tokens_per_req=1")
        for step in range(0, _GRAPHS, 4):
            self._container.busy = 0.7
            self._container.say(
                self._world.clock.now(),
                f"Capturing batches (bs={_GRAPHS - step} avail_mem=6.01 GB): "
                f"{100 * step // _GRAPHS:3d}%|##        | {step}/{_GRAPHS} [00:01<00:01, 9.21it/s]",
            )
            await self._world.starting(0.35)
        self._say(
            "Capture target decode CUDA graph end. elapsed=2.10 s, mem usage=0.55 GB, "
            "avail mem=5.46 GB."
        )

    def serve(self) -> None:
        running = int(self._container.options.get("--max-running-requests") or 64)
        self._container.busy = 0.0
        self._say(
            f"max_total_num_tokens={self._tokens}, chunked_prefill_size=8192, "
            f"max_prefill_tokens=16384, max_running_requests={running}, "
            f"context_len={self._context}, available_gpu_mem=5.46 GB"
        )
        concurrency = self._tokens / self._context
        if concurrency < 1:
            self._say(
                "ValueError: Not enough memory. Please try to increase --mem-fraction-static."
            )
            self._container.end(1)
            self._world.changed()
            return
        self._container.engine = EngineModel(
            kv_tokens=self._tokens,
            kv_blocks=self._tokens,
            max_concurrency=concurrency,
            slots=max(1, min(int(concurrency), running)),
            rate=self._rate,
            traffic=self._world.traffic,
            seed=self._world.seed,
            since=self._world.clock.seconds(),
        )
        self._say("Uvicorn running on http://0.0.0.0:30000 (Press CTRL+C to quit)")
        self._say("The server is fired up and ready to roll!")
        self._world.changed()
