"""The state of one simulated box: GPUs, images, containers, launches, disks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gptoss_tui.domain.engines.registry import ENGINES
from gptoss_tui.domain.host import Cloud
from gptoss_tui.sim.clock import Clock
from gptoss_tui.sim.container import MODELS, Container, come_up, new_id
from gptoss_tui.sim.profile import Card, Profile

# Of the driver, and the CUDA that it runs.
DRIVER, CUDA = "580.159.04", "13.0"
OLD_DRIVER, OLD_CUDA = "535.230.02", "12.2"
_HUB = "/root/.cache/huggingface/hub"
# What keeps the disk of a full box full: KiB by path.
_BROKEN_OFF = {
    f"{_HUB}/models--openai--gpt-oss-120b/blobs/{'4e7a' * 16}.9f1c.incomplete": 41_000_000,
    f"{_HUB}/models--meta-llama--Llama-3.3-70B-Instruct/blobs/{'b20d' * 16}.77aa.incomplete": (
        102_000_000
    ),
}


# How long before it takes a box back a cloud says so, in seconds.
NOTICE_S: dict[Cloud, float] = {"aws": 120.0, "gcp": 30.0, "azure": 60.0}


@dataclass(frozen=True)
class GpuFigures:
    """One GPU at one moment, in nvidia-smi's units (W, °C, %, MiB)."""

    index: int
    card: Card
    uuid: str
    power_w: int
    gpu_temp_c: int
    memory_temp_c: int
    sm_pct: int
    memory_pct: int
    used_mib: int
    bar1_mib: int


class World:
    """One box. `traffic` is the mean number of background requests a ready server gets."""

    def __init__(
        self, profile: Profile, clock: Clock, *, seed: int = 0, traffic: float = 0.0
    ) -> None:
        self.profile = profile
        self.clock = clock
        self.seed = seed
        self.traffic = traffic
        self.images: set[str] = set()
        if profile.image_cached:
            self.images.add("vllm/vllm-openai:v0.32.0")
        if profile.starts_at_once:
            self.images |= {engine.image(engine.default_version) for engine in ENGINES.values()}
        self.containers: dict[str, Container] = {}
        self.launches: dict[str, Any] = {}
        self.disk_used_gib: dict[str, float] = {}
        self.models: set[str] = set()  # in Ollama's own store
        # Repairs by name, downloads that broke off (KiB by path), what the next login brings.
        self.repairs: dict[str, Any] = {}
        self.litter: dict[str, int] = dict(_BROKEN_OFF) if profile.has("disk_full") else {}
        self.on_login: list[Callable[[], None]] = []
        # When its provider says that the box is taken back, and how long before it does so.
        self._noticed: float | None = None
        self._notice_s = NOTICE_S[profile.cloud or "aws"]
        self._event = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._made = 0

    # --- waiting for something to change --------------------------------------------------------

    def changed(self) -> None:
        """Wake whoever waits for anything on this box."""
        self._event.set()
        self._event = asyncio.Event()

    async def change(self) -> None:
        await self._event.wait()

    async def ended(self, container: Container) -> None:
        """Until the server that now runs in it runs no more."""
        engine = container.engine
        while container.engine is engine:
            await self.change()

    async def starting(self, seconds: float) -> None:
        """Let a server's start take so long, where it takes any time."""
        await self.clock.sleep(0.0 if self.profile.starts_at_once else seconds)

    def spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        """Something that goes on on the box, whoever is connected."""
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def logged_in(self) -> None:
        """Somebody logs in: what waited for that holds now."""
        while self.on_login:
            self.on_login.pop()()

    # --- a spot box -----------------------------------------------------------------------------

    def preempt(self, after_s: float = 0.0, notice_s: float | None = None) -> None:
        """Let the provider give its notice in `after_s` seconds of the box, and take it back
        `notice_s` seconds later (default: as its cloud does).
        """
        self._noticed = self.clock.seconds() + after_s
        self._notice_s = NOTICE_S[self.profile.cloud or "aws"] if notice_s is None else notice_s
        self.changed()

    def keep(self) -> None:
        """The notice is withdrawn."""
        self._noticed = None
        self.changed()

    def taken_back_at(self) -> datetime | None:
        """When the box is switched off, once that has been said."""
        left = self.until_taken_back()
        if left is None or left > self._notice_s:
            return None
        return self.clock.at(self.clock.seconds() + left)

    def until_taken_back(self) -> float | None:
        """Seconds until then, said or not; None: it stays."""
        if self._noticed is None:
            return None
        return self._noticed + self._notice_s - self.clock.seconds()

    # --- containers -----------------------------------------------------------------------------

    def create(self, name: str, body: dict[str, Any]) -> Container:
        self._made += 1
        container = Container(new_id(name, self._made), name, body, self.clock.now())
        self.containers[container.id] = container
        return container

    def find(self, key: str) -> Container | None:
        """By id, by the beginning of an id, or by name."""
        for container in self.containers.values():
            if container.name == key or container.id.startswith(key):
                return container
        return None

    def start(self, container: Container) -> None:
        container.state, container.started = "running", self.clock.now()
        container.task = self.spawn(come_up(container, self), f"sim container {container.name}")
        self.changed()

    def stop(self, container: Container, code: int = 0) -> None:
        if container.task is not None:
            container.task.cancel()
        if container.state == "running":
            now, said = self.clock.now(), "(APIServer pid=1) INFO:     Shutting down"
            if container.kind == "sglang":
                said = f"[{now:%Y-%m-%d %H:%M:%S}] INFO:     Shutting down"
            container.say(now, said)
            container.end(now, code)
        self.changed()

    async def stop_by_signal(self, container: Container, grace_s: float) -> None:
        """SIGTERM: vLLM ends its requests for `--shutdown-timeout` seconds, SGLang without a limit."""
        engine = container.engine
        own = container.option("--shutdown-timeout") or "0"
        kinds = {"sglang": grace_s, "vllm": float(own) if own.isdigit() else 0.0}
        limit = min(grace_s, kinds.get(container.kind, 0.0))
        if engine is not None and limit > 0:
            engine.draining_since = began = self.clock.seconds()
            while engine.wanted(self.clock.seconds()) >= 0.5:
                if self.clock.seconds() - began >= limit or container.state != "running":
                    break
                await self.clock.sleep(0.25)
        self.stop(container)

    def remove(self, container: Container) -> None:
        self.stop(container, 137)
        self.containers.pop(container.id, None)
        self.changed()

    def serving(self, port: int) -> Container | None:
        """The container that answers on a port of this box's loopback."""
        for container in self.containers.values():
            binding = container.binding
            if container.engine is not None and binding and binding[1] == port:
                return container
        return None

    def port_in_use(self, port: int) -> bool:
        return (port == 8000 and self.profile.has("port_taken")) or any(
            container.state == "running" and container.binding and container.binding[1] == port
            for container in self.containers.values()
        )

    def cached_gib(self) -> dict[str, float]:
        """What the Hugging Face cache holds, by the model."""
        if self.profile.weights_cached:
            return {size: weights for size, (weights, *_) in MODELS.items()}
        return {size: gib for size, gib in self.disk_used_gib.items() if gib}

    def weights_cached(self, size: str) -> bool:
        return self.cached_gib().get(size, 0.0) >= MODELS[size][0]

    def dies_loading(self, container: Container) -> bool:
        """Whether the model finds too little memory on the GPUs."""
        profile = self.profile
        return profile.has("dies_loading") or (profile.has("upgrade_dies") and container.is_upgrade)

    @property
    def cut_off(self) -> bool:
        """Whether a container reaches nothing outside of the box."""
        return self.profile.has("no_network") or self.profile.has("no_forwarding")

    # --- GPUs -----------------------------------------------------------------------------------

    @property
    def driver(self) -> str:
        return OLD_DRIVER if self.profile.has("driver_old") else DRIVER

    @property
    def cuda(self) -> str:
        """The newest one that the driver runs."""
        return OLD_CUDA if self.profile.has("driver_old") else CUDA

    def uuid(self, index: int) -> str:
        digits = new_id(f"{self.profile.hostname}/gpu", index)
        return f"GPU-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"

    def foreign_mib(self, index: int) -> int:
        return self.profile.foreign_mib if index == len(self.profile.cards) - 1 else 0

    def gpus(self) -> tuple[GpuFigures, ...]:
        """Every GPU now: memory and load follow the containers on it."""
        if self.profile.has("no_gpu"):
            return ()
        return tuple(self._gpu(index, card) for index, card in enumerate(self.profile.cards))

    def _gpu(self, index: int, card: Card) -> GpuFigures:
        now = self.clock.seconds()
        load, used = self._load_on(index, now)
        wobble = math.sin(now * 1.3 + index * 2.1) * 0.04 if load > 0.02 else 0.0
        busy = min(1.0, max(0.0, load + wobble))
        name = card.name
        if self.profile.has("hostile_text"):
            card = Card(f"{name} \x1b[31m[/x]", *_rest(card))
        power = card.idle_w + (card.power_limit_w - card.idle_w) * busy * 0.86
        return GpuFigures(
            index=index,
            card=card,
            uuid=self.uuid(index),
            power_w=round(power),
            gpu_temp_c=round(31 + 34 * busy + index % 3),
            memory_temp_c=round(38 + 36 * busy + index % 3),
            sm_pct=round(100 * busy),
            memory_pct=round(62 * busy),
            used_mib=min(card.memory_mib, round(used) + self.foreign_mib(index) + 4),
            bar1_mib=4 if used < 1 else 14,
        )

    def _load_on(self, index: int, now: float) -> tuple[float, float]:
        load = used = 0.0
        for container in self.containers.values():
            if not {str(index), self.uuid(index)} & set(container.gpu_ids):
                continue
            used += container.memory_mib
            load = max(load, container.busy)
            if container.engine:
                share = container.engine.running(now) / max(8, container.engine.slots)
                load = max(load, min(0.97, 0.25 + 0.75 * share) if share > 0 else 0.0)
        return load, used


def _rest(card: Card) -> tuple[int, str, int, int]:
    return card.memory_mib, card.capability, card.power_limit_w, card.idle_w
