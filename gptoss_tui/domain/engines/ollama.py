"""Ollama behind the engine seam. Sources: 0.13.3 as it ran on H100s, 0.13.3 and 0.32.15 on a CPU
(`tests/checks/ollama_server.py`), https://github.com/ollama/ollama/blob/main/docs/api.md."""

from __future__ import annotations

import json
from typing import Literal

from gptoss_tui.domain.engines import ollama_log, parts
from gptoss_tui.domain.engines.base import Call, Environment, PhaseMark
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch import EngineName, LaunchSpec
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS, PlanRequest
from gptoss_tui.domain.serving import EngineSnapshot

_STORE = "/root/.ollama"


class Ollama:
    """`Engine` for Ollama. It has no API key, and no metrics page."""

    name: EngineName = "ollama"
    title = "Ollama"
    default_version = DEFAULT_VERSIONS["ollama"]
    container_port = 11434
    cache_mount = _STORE
    health_path = "/api/version"
    metrics_path: str | None = None
    fetches: Literal["at_start", "after_start"] = "after_start"
    takes_key = False

    def image(self, version: str, cuda: int = 13) -> str:
        # One image has libraries for CUDA 12 and 13.
        return f"ollama/ollama:{version.removeprefix('v')}"

    def cache_dir(self, report: BoxReport) -> str | None:
        return f"{report.home}/.ollama" if report.home else None

    def open_routes(self, version: str) -> tuple[str, ...]:
        return ("/",)

    def settings(self, request: PlanRequest) -> Environment:
        """The plan's context and slots. The model stays loaded, and no other one beside it."""
        settings = [
            ("OLLAMA_CONTEXT_LENGTH", str(request.max_model_len)),
            ("OLLAMA_NUM_PARALLEL", str(request.users or 1)),
            ("OLLAMA_KEEP_ALIVE", "-1"),
            ("OLLAMA_MAX_LOADED_MODELS", "1"),
        ]
        if request.kv_cache_dtype not in (None, "auto"):
            # A cache that is not f16 needs flash attention, which 0.13 has on for GPT-OSS anyway.
            settings.append(("OLLAMA_FLASH_ATTENTION", "1"))
            settings.append(("OLLAMA_KV_CACHE_TYPE", str(request.kv_cache_dtype)))
        return tuple(settings)

    def container_command(self, spec: LaunchSpec) -> tuple[str, ...]:
        return ("serve",)

    def container_entrypoint(self, spec: LaunchSpec) -> tuple[str, ...] | None:
        return None

    def environment(self, spec: LaunchSpec) -> Environment:
        models = (("OLLAMA_MODELS", parts.WEIGHTS_MOUNT),) if spec.weights_dir else ()
        return (*spec.environment, *models)

    def fetch(self, spec: LaunchSpec) -> Call | None:
        if spec.weights_dir:
            return None
        return Call(path="/api/pull", body=json.dumps({"model": spec.model}))

    def model_present(self, spec: LaunchSpec) -> Call | None:
        # Of the manifest, which comes after all blobs: docs/api.md, "Show Model Information".
        return Call(path="/api/show", body=json.dumps({"model": spec.model}))

    def load(self, spec: LaunchSpec) -> Call | None:
        # A request without a prompt only loads: docs/api.md, "Load a model".
        body = {"model": spec.model, "keep_alive": -1, "stream": False}
        return Call(path="/api/generate", body=json.dumps(body))

    def question(self, spec: LaunchSpec) -> Call:
        return parts.chat_question(spec)

    def read_metrics(self, page: str) -> EngineSnapshot:
        return EngineSnapshot(metrics=False)

    def read_log(self, line: str) -> PhaseMark | None:
        return ollama_log.read_log(line)

    def recognises(self, image: str, command: tuple[str, ...]) -> bool:
        return parts.image_name(image) == "ollama" or "ollama serve" in " ".join(command)

    def served_model(self, command: tuple[str, ...]) -> str | None:
        return None  # it serves whatever it is asked for: /v1/models lists it
