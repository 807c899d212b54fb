"""How SGLang comes up in a simulated container. Wordings: its log of 0.5.23, on a GPU its source."""

from __future__ import annotations

from gptoss_tui.domain.plan.models import GIB, model_named
from gptoss_tui.domain.plan.sglang import token_bytes
from gptoss_tui.sim.container import MODELS, Container, size_of
from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.fetch import fetch
from gptoss_tui.sim.profile import H100
from gptoss_tui.sim.world import World

_GRAPHS = 23
_WINDOW = 0.8  # tokens of the sliding window's pool, of those of the full one


async def start_sglang(container: Container, world: World) -> None:
    """Fetch, load, size the cache, capture, listen, warm up."""
    container.loaded = ""
    start = _Start(container, world)
    if await start.load() and start.has_room():
        await start.capture()
        await start.serve()


class _Start:
    def __init__(self, container: Container, world: World) -> None:
        self._container = container
        self._world = world
        self._size = size_of(container.model)
        self._checkpoint, self._shards, self._rate = MODELS[self._size]
        options = container.options
        self._parallel = int(options.get("--tp", 1))
        self._context = int(options.get("--context-length", 131_072))
        card = world.profile.cards[0] if world.profile.cards else H100
        self._free = (card.memory_mib - card.reserved_mib) / 1024 - 0.5
        self._share = float(options.get("--mem-fraction-static", 0.88))
        self._weights = self._checkpoint / self._parallel
        self._pool = max(0.0, self._free * self._share - self._weights)
        each = token_bytes(model_named(self._size), self._parallel, options.get("--kv-cache-dtype"))
        self._tokens = int(self._pool * GIB / each)

    def _say(self, text: str, rank: str = "") -> None:
        now = self._world.clock.now()
        self._container.say(now, f"[{now:%Y-%m-%d %H:%M:%S}{rank}] {text}")

    def _rank(self, text: str) -> None:
        """What the first of the schedulers says: they have names where there are several."""
        self._say(text, " TP0" if self._parallel > 1 else "")

    async def load(self) -> bool:
        """Whether the model could be had, and there was memory for it."""
        world, weights = self._world, self._weights
        self._say(f"server_args={{'model_path': '{self._container.model}', 'api_key': None}}")
        await world.starting(1.5)
        self._rank("Init parallel begin.")
        self._rank(f"Load weight begin. avail mem={self._free:.2f} GB")
        if failure := await fetch(world, self._size, self._checkpoint):
            self._rank(f"Scheduler hit an exception: Traceback (most recent call last):\n{failure}")
            self._killed()
            return False
        for shard in range(self._shards + 1):
            percent = 100 * shard // self._shards
            self._container.say(
                world.clock.now(),
                f"Multi-thread loading shards: {percent:3d}% Completed | "
                f"{shard}/{self._shards} [00:{shard:02d}<00:01,  1.31it/s]",
            )
            self._container.memory_mib = 1024 * weights * shard / self._shards
            self._container.busy = 0.08
            await world.starting(3.0 / self._shards)
            if shard == self._shards - 1 and world.dies_loading(self._container):
                self._rank(
                    "Scheduler hit an exception: Traceback (most recent call last):\n"
                    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 786.00 MiB. "
                    "GPU 0 has a total capacity of 79.18 GiB of which 512.00 MiB is free."
                )
                self._killed()
                return False
        self._rank(
            f"Load weight end. elapsed=3.10 s, type=GptOssForCausalLM, avail mem="
            f"{self._free - weights:.2f} GB, mem usage={weights:.2f} GB."
        )
        return True

    def has_room(self) -> bool:
        """It ends where no cache is left, but not where the cache holds less than one context."""
        if self._tokens > 0:
            return True
        self._rank(
            "Scheduler hit an exception: Traceback (most recent call last):\n"
            "ValueError: Loaded weights leave no GPU memory for the KV cache under "
            f"--mem-fraction-static={self._share:g}. "
            f"Raise --mem-fraction-static above {self._weights / self._free:.3f}."
        )
        self._killed()
        return False

    def _killed(self) -> None:
        """It kills itself where a scheduler has failed, which a container's first process outlives."""
        self._say("Received sigquit from a child process. It usually means the child failed.")
        self._container.end(self._world.clock.now(), 0)
        self._world.changed()

    async def capture(self) -> None:
        window = int(self._tokens * _WINDOW)
        self._rank(
            f"Use sliding window memory pool. full_layer_tokens={self._tokens}, "
            f"swa_layer_tokens={window}"
        )
        for kind, tokens, share in (
            ("Full", self._tokens, 1 / (1 + _WINDOW)),
            ("SWA", window, _WINDOW / (1 + _WINDOW)),
        ):
            half = self._pool * share / 2
            self._rank(
                f"{kind} KV Cache is allocated. dtype: torch.bfloat16, #tokens: {tokens}, "
                f"K size: {half:.2f} GB, V size: {half:.2f} GB"
            )
        self._rank(
            f"SWAKVPool mem usage: {self._pool:.2f} GB, swa size: {window}, full size: {self._tokens}"
        )
        self._container.memory_mib += 1024 * self._pool
        await self._world.starting(0.8)
        self._rank("Capture target decode CUDA graph begin. backend=full, num_tokens_per_req=1")
        for step in range(0, _GRAPHS, 4):
            self._container.busy = 0.7
            self._container.say(
                self._world.clock.now(),
                f"Capturing batches (bs={_GRAPHS - step} avail_mem=6.01 GB): "
                f"{100 * step // _GRAPHS:3d}%|##        | {step}/{_GRAPHS} [00:01<00:01, 9.21it/s]",
            )
            await self._world.starting(0.35)
        self._rank(
            "Capture target decode CUDA graph end. bs=[1, 2, 4], elapsed=2.10 s, mem usage=0.55 GB, "
            "avail mem=5.46 GB."
        )

    async def serve(self) -> None:
        running = int(self._container.options.get("--max-running-requests") or 64)
        self._container.busy = 0.0
        self._rank(
            f"max_total_num_tokens={self._tokens}, chunked_prefill_size=8192, "
            f"max_prefill_tokens=16384, max_running_requests={running}, "
            f"context_len={self._context}, available_gpu_mem=5.46 GB"
        )
        concurrency = self._tokens / self._context
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
        self._say("INFO:     Application startup complete.")
        self._say("INFO:     Uvicorn running on http://0.0.0.0:30000 (Press CTRL+C to quit)")
        self._world.changed()
        await self._world.starting(0.6)
        self._container.loaded = self._container.model
        self._say("The server is fired up and ready to roll!")
        self._world.changed()
