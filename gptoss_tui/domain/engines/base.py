"""The engine seam: what differs between vLLM, SGLang and Ollama, and nothing else.

`docs/engines.md` holds the table this was drawn against. An engine is pure: it renders a spec and
reads what comes back; who fetches and who draws is not its concern.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch import EngineName, LaunchSpec
from gptoss_tui.domain.plan.types import PlanRequest
from gptoss_tui.domain.progress import PhaseName
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.startup import StartupFigures

Environment = tuple[tuple[str, str], ...]


class PhaseMark(msgspec.Struct, frozen=True, kw_only=True):
    """What one log line tells of a launch: the phase that runs now, and how far it is.

    `fraction` 0.0 to 1.0 or None; `detail` a short text; `fatal` a sentence where the line says
    that the launch has failed, with `next_step`; `figures` what it says of the engine's memory.
    """

    phase: PhaseName | None = None
    fraction: float | None = None
    detail: str = ""
    fatal: str = ""
    next_step: str = ""
    figures: StartupFigures | None = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A POST to the server: `body` is JSON."""

    path: str
    body: str


class Engine(Protocol):
    """One inference server, as a container.

    `container_port`: where it listens inside. `cache_mount`: where its image wants the HF `hub`
    folder (or its own store). `health_path`: GET, 200 when it can serve. `metrics_path`: None where
    it has none. `fetches`: whether the model comes while the server starts ("at_start") or only
    afterwards, by a call ("after_start"). `takes_key`: whether an API key can guard it.
    """

    name: EngineName
    title: str
    default_version: str
    container_port: int
    cache_mount: str
    health_path: str
    metrics_path: str | None
    fetches: Literal["at_start", "after_start"]
    takes_key: bool

    def image(self, version: str, cuda: int = 13) -> str:
        """The pinned image of a version, for drivers of CUDA 13 or 12. Raises `UsageError`."""

    def cache_dir(self, report: BoxReport) -> str | None:
        """The folder of the box in which its models are kept."""

    def open_routes(self, version: str) -> tuple[str, ...]:
        """The routes that stay open without a key, even when an API key is set."""

    def settings(self, request: PlanRequest) -> Environment:
        """The variables by which a plan (its request filled in) reaches the server."""

    def container_command(self, spec: LaunchSpec) -> tuple[str, ...]:
        """The arguments after the image."""

    def container_entrypoint(self, spec: LaunchSpec) -> tuple[str, ...] | None:
        """An entrypoint in place of the image's (None: the image's own), to hand over secrets."""

    def environment(self, spec: LaunchSpec) -> Environment:
        """Environment variables, none of them secret."""

    def fetch(self, spec: LaunchSpec) -> Call | None:
        """What makes a server that is up fetch the model; its answer is a stream of JSON lines."""

    def model_present(self, spec: LaunchSpec) -> Call | None:
        """What a server that fetches by a call answers with 200 where all of the model is there."""

    def load(self, spec: LaunchSpec) -> Call | None:
        """What makes a server that has the model load it; None where it does that by itself."""

    def question(self, spec: LaunchSpec) -> Call:
        """What asks the model for one token: a server is ready when it has answered this."""

    def read_metrics(self, page: str) -> EngineSnapshot:
        """Read a metrics page (the Prometheus text format). Never raises on odd pages."""

    def read_log(self, line: str) -> PhaseMark | None:
        """What one log line tells of the launch; None for nearly all lines."""

    def recognises(self, image: str, command: tuple[str, ...]) -> bool:
        """Whether a foreign container or process looks like this engine."""

    def served_model(self, command: tuple[str, ...]) -> str | None:
        """The model named in a foreign server's command line."""
