"""A simulated container and how vLLM comes up in it: phases, log lines, memory on the GPUs.

The other engines come up in `sglang_start.py` and `ollama_start.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gptoss_tui.domain.engines.flags import flags_of
from gptoss_tui.domain.engines.registry import engine_named, engine_of
from gptoss_tui.domain.engines.release import image_release
from gptoss_tui.domain.launch import EngineName
from gptoss_tui.errors import UsageError
from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.fetch import fetch
from gptoss_tui.sim.memory import shares
from gptoss_tui.sim.profile import H100

if TYPE_CHECKING:
    from gptoss_tui.sim.world import World

# GiB of checkpoint, safetensors shards, tokens/s of one request alone.
MODELS = {"120b": (60.77, 14, 160.0), "20b": (12.82, 3, 240.0)}


def size_of(text: str) -> str:
    """Which of the two models a name or a command line speaks of."""
    return "120b" if "120b" in text else "20b"


@dataclass
class Container:
    """`memory_mib` is what it holds on each of its GPUs; `engine` is there once it is ready.

    `is_upgrade`: it takes the place of another one.
    """

    id: str
    name: str
    body: dict[str, Any]
    created: datetime
    state: str = "created"
    started: datetime | None = None
    finished: datetime | None = None
    exit_code: int = 0
    log: list[tuple[datetime, str]] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    files: dict[str, bytes] = field(default_factory=dict)
    memory_mib: float = 0.0
    busy: float = 0.0
    engine: EngineModel | None = None
    restart_policy: str = "no"
    task: asyncio.Task[None] | None = None
    loaded: str = ""
    is_upgrade: bool = False

    @property
    def kind(self) -> EngineName:
        """Which engine's image it is of: a stranger's is taken for vLLM's."""
        engine = engine_of(str(self.body.get("Image")), ())
        return engine.name if engine else "vllm"

    @property
    def environment(self) -> dict[str, str]:
        pairs = (str(entry).partition("=") for entry in self.body.get("Env") or [])
        return {name: value for name, _, value in pairs}

    @property
    def arguments(self) -> list[str]:
        return [str(word) for word in self.body.get("Cmd") or []]

    @property
    def version(self) -> str:
        """What the image's tag tells; one that tells nothing has the version of the pinned image."""
        engine = engine_named(self.kind)
        try:
            return image_release(engine, str(self.body.get("Image"))).version
        except UsageError:
            return engine.default_version

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.body.get("Labels") or {})

    @property
    def gpu_ids(self) -> list[str]:
        host = self.body.get("HostConfig") or {}
        if host.get("Runtime") == "nvidia":
            named = self.environment.get("NVIDIA_VISIBLE_DEVICES", "").split(",")
        else:
            named = [
                one for asked in host.get("DeviceRequests") or [] for one in asked["DeviceIDs"]
            ]
        return [str(gpu).removeprefix("nvidia.com/gpu=") for gpu in named]

    @property
    def binding(self) -> tuple[str, int] | None:
        """Host address and port of the first published port."""
        bindings = (self.body.get("HostConfig") or {}).get("PortBindings") or {}
        for places in bindings.values():
            for place in places or []:
                if str(place.get("HostPort", "")).isdigit():
                    return str(place.get("HostIp") or "0.0.0.0"), int(place["HostPort"])  # noqa: S104
        return None

    @property
    def model(self) -> str:
        """The name it serves under."""
        words = self.arguments
        behind = words[words.index("serve") + 1 :] if "serve" in words else words
        named = self.loaded or self.option("--served-model-name") or next(iter(behind), "")
        return named or "openai/gpt-oss-20b"

    @property
    def healthy(self) -> bool:
        """Whether it can serve: SGLang listens a while before it has warmed up."""
        return self.engine is not None and (self.kind != "sglang" or bool(self.loaded))

    @property
    def api_key(self) -> str | None:
        key = self.files.get("run/gptoss-tui/api_key")
        return key.decode(errors="replace") if key else None

    @property
    def options(self) -> dict[str, str]:
        """The engine's arguments by flag; a flag without a value has an empty one."""
        flags = flags_of(tuple(self.arguments)).values()
        return {flag.name: flag.value or "" for flag in flags if not flag.off}

    def option(self, flag: str) -> str | None:
        """The value of an engine argument."""
        return self.options.get(flag) or None

    def say(self, now: datetime, text: str) -> None:
        self.log.append((now, text))
        self.grown.set()
        self.grown = asyncio.Event()

    def end(self, now: datetime, code: int) -> None:
        self.state, self.exit_code, self.finished = "exited", code, now
        self.engine, self.memory_mib, self.busy = None, 0.0, 0.0
        self.grown.set()
        self.grown = asyncio.Event()


def new_id(name: str, number: int) -> str:
    """64 hex digits, the same ones for the same name and number."""
    return hashlib.sha256(f"{name}/{number}".encode()).hexdigest()


async def come_up(container: Container, world: World) -> None:
    """Start what is in it, until it serves. Cancelling it is the container's end."""
    from gptoss_tui.sim.ollama_start import start_ollama
    from gptoss_tui.sim.sglang_start import start_sglang

    with contextlib.suppress(asyncio.CancelledError):
        if container.kind == "sglang":
            await start_sglang(container, world)
        elif container.kind == "ollama":
            await start_ollama(container, world)
        else:
            await _Start(container, world).run()


class _Start:
    def __init__(self, container: Container, world: World) -> None:
        self.container = container
        self.world = world
        size = size_of(" ".join(container.arguments))
        self.checkpoint, self.shards, self.rate = MODELS[size]
        self.size = size
        card = world.profile.cards[0] if world.profile.cards else H100
        self.shares = shares(
            size,
            (card.memory_mib - card.reserved_mib) / 1024,
            card.capability,
            container.options,
            container.version,
        )

    def core(self, text: str) -> None:
        self._say("EngineCore", 271, text)

    def api(self, text: str) -> None:
        self._say("APIServer", 1, text)

    def _say(self, who: str, pid: int, text: str) -> None:
        self.container.say(self.world.clock.now(), f"({who} pid={pid}) {text}")

    def info(self, file: str, text: str) -> str:
        return f"INFO {self.world.clock.now():%m-%d %H:%M:%S} [{file}] {text}"

    async def run(self) -> None:
        await self._begin()
        if failure := await self._fetch():
            self._end(failure)
            return
        if not await self._load():
            return
        await self._compile()
        if self.shares.serves:
            await self._capture()
            self._serve()

    async def _begin(self) -> None:
        version = self.container.version
        self.api(self.info("api_server.py:1896", f"vLLM API server version {version}"))
        await self.world.starting(1.2)
        self.core(
            self.info(
                "core.py:93",
                f"Initializing a V1 LLM engine (v{version}) with config: "
                f"model='{self.container.model}', quantization=gpt_oss_mxfp4",
            )
        )
        if self.world.profile.has("hostile_text"):
            self.core("\x1b]52;c;ZXZpbA==\x07\x1b[2J[/bold] {not markup} \x9b31m bad \udcff byte")
        await self.world.starting(0.6)

    async def _fetch(self) -> str | None:
        model = self.container.model
        self.core(self.info("gpu_model_runner.py:5011", f"Starting to load model {model}..."))
        if self.world.weights_cached(self.size):
            return None
        if failure := await fetch(self.world, self.size, self.checkpoint):
            return failure
        said = f"Time spent downloading weights for {model}: 7.2 seconds"
        self.core(self.info("weight_utils.py:551", said))
        return None

    async def _load(self) -> bool:
        """Whether there was memory for all of it."""
        for shard in range(self.shards + 1):
            percent = 100 * shard // self.shards
            self.core(
                f"Loading safetensors checkpoint shards: {percent:3d}% Completed | "
                f"{shard}/{self.shards} [00:{shard:02d}<00:01,  1.31it/s]"
            )
            self.container.memory_mib = 1024 * self.shares.weights * shard / self.shards
            self.container.busy = 0.08
            await self.world.starting(3.2 / self.shards)
            if shard == self.shards - 1 and self.world.dies_loading(self.container):
                self._end(
                    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 786.00 MiB. "
                    "GPU 0 has a total capacity of 79.18 GiB of which 512.00 MiB is free."
                )
                return False
        self.core(self.info("default_loader.py:384", "Loading weights took 3.20 seconds"))
        self.core(
            self.info(
                "gpu_model_runner.py:5096",
                f"Model loading took {self.shares.weights:.2f} GiB memory and 4.1 seconds",
            )
        )
        return True

    async def _compile(self) -> None:
        self.container.busy = 0.35
        self.core(
            self.info(
                "backends.py:1051",
                "Using cache directory: /root/.cache/vllm/torch_compile_cache/7c1f/rank_0_0/"
                "backbone for vLLM's torch.compile",
            )
        )
        await self.world.starting(2.6)
        self.core(self.info("monitor.py:48", "torch.compile took 2.61 s in total"))
        kv = self.shares
        self.core(
            self.info("gpu_worker.py:436", f"Available KV cache memory: {kv.kv_cache:.2f} GiB")
        )
        if not kv.serves:
            self._refuse()
            return
        self.core(
            self.info(
                "kv_cache_utils.py:1319",
                f"GPU KV cache size: {kv.kv.tokens:,} tokens, Maximum concurrency for "
                f"{kv.context:,} tokens per request: {kv.kv.max_concurrency:.2f}x",
            )
        )
        self.container.memory_mib += 1024 * (kv.activation + kv.kv_cache)

    def _refuse(self) -> None:
        """End as vLLM does when one request of the whole context does not fit."""
        kv = self.shares
        if kv.kv_cache <= 0:
            said = (
                "No available memory for the cache blocks. Try increasing "
                "`gpu_memory_utilization` when initializing the engine."
            )
        else:
            said = (
                f"To serve at least one request with the model's max seq len ({kv.context}), "
                f"({kv.kv.needed_gib_for_one_request:.2f} GiB KV cache is needed, which is larger "
                f"than the available KV cache memory ({kv.kv_cache:.2f} GiB). Try increasing "
                "`gpu_memory_utilization` or decreasing `max_model_len` when initializing the "
                "engine."
            )
        self._end(f"ValueError: {said}")

    def _end(self, error: str) -> None:
        """As vLLM ends where its engine core has failed."""
        self.core(error)
        self.api("RuntimeError: Engine core initialization failed. See root cause above.")
        self.container.end(self.world.clock.now(), 1)
        self.world.changed()

    async def _capture(self) -> None:
        for step in (0, 12, 24, 36, 48, 60, 72, 83):
            share = step / 83
            self.core(
                f"Capturing CUDA graphs (mixed prefill-decode, PIECEWISE): {share:4.0%}|"
                f"{'#' * round(10 * share):10}| {step}/83 [00:01<00:01, 41.20it/s]"
            )
            self.container.busy = 0.75
            await self.world.starting(0.3)
        took = f"Graph capturing finished in 2 secs, took {self.shares.graphs:.2f} GiB"
        self.core(self.info("gpu_model_runner.py:6046", took))
        self.core(
            self.info(
                "core.py:283",
                "init engine (profile, create kv cache, warmup model) took 7.32 seconds",
            )
        )
        await self.world.starting(0.5)

    def _serve(self) -> None:
        self.container.busy = 0.0
        kv = self.shares.kv
        self.container.engine = EngineModel(
            kv_tokens=kv.tokens,
            kv_blocks=kv.blocks,
            max_concurrency=kv.max_concurrency,
            slots=max(1, min(int(kv.max_concurrency), self._max_seqs())),
            rate=self.rate,
            traffic=self.world.traffic,
            seed=self.world.seed,
            since=self.world.clock.seconds(),
        )
        self.api(self.info("api_server.py:2012", "Starting vLLM server on http://0.0.0.0:8000"))
        self.api("INFO:     Started server process [1]")
        self.api("INFO:     Waiting for application startup.")
        self.api("INFO:     Application startup complete.")
        self.world.changed()

    def _max_seqs(self) -> int:
        return int(self.container.option("--max-num-seqs") or 256)
