"""vLLM behind the engine seam. Sources: vLLM's documentation and source of 0.10.1 to 0.33."""

from __future__ import annotations

from itertools import zip_longest
from typing import Literal

from gptoss_tui.domain.engines import vllm_log, vllm_metrics
from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.launch import EngineName, LaunchSpec
from gptoss_tui.domain.serving import EngineSnapshot

SECRETS_DIR = "/run/gptoss-tui"
# The key goes from a 0400 file into the server's own environment: it is in no argument list, and
# `docker inspect` does not show it.
_KEY_ENTRYPOINT = (
    "/bin/sh",
    "-c",
    f'VLLM_API_KEY="$(cat {SECRETS_DIR}/api_key)" && export VLLM_API_KEY && exec vllm serve "$@"',
    "vllm",
)


class Vllm:
    """`Engine` for vLLM."""

    name: EngineName = "vllm"
    title = "vLLM"
    default_version = "0.32.0"
    container_port = 8000
    cache_mount = "/root/.cache/huggingface/hub"
    health_path = "/health"
    metrics_path: str | None = "/metrics"
    fetches: Literal["at_start", "after_start"] = "at_start"

    def image(self, version: str) -> str:
        return f"vllm/vllm-openai:v{version.removeprefix('v')}"

    def open_routes(self, version: str) -> tuple[str, ...]:
        # https://docs.vllm.ai/en/latest/usage/security.html: the key guards /v1 and few others.
        return (
            "/invocations", "/tokenize", "/detokenize", "/metrics", "/load", "/version", "/health",
            "/ping", "/pause", "/resume", "/abort_requests",
        )  # fmt: skip

    def container_command(self, spec: LaunchSpec) -> tuple[str, ...]:
        return (spec.model, *spec.arguments)

    def container_entrypoint(self, spec: LaunchSpec) -> tuple[str, ...] | None:
        return _KEY_ENTRYPOINT if spec.needs_api_key else None

    def environment(self, spec: LaunchSpec) -> tuple[tuple[str, str], ...]:
        token = (("HF_TOKEN_PATH", f"{SECRETS_DIR}/hf_token"),) if spec.has_token else ()
        return (*spec.environment, *token)

    def read_metrics(self, page: str) -> EngineSnapshot:
        return vllm_metrics.read_metrics(page)

    def read_log(self, line: str) -> PhaseMark | None:
        return vllm_log.read_log(line)

    def recognises(self, image: str, command: tuple[str, ...]) -> bool:
        words = " ".join(command)
        name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
        return "vllm" in name or any(sign in words for sign in ("vllm serve", "vllm.entrypoints"))

    def served_model(self, command: tuple[str, ...]) -> str | None:
        for flag in ("--served-model-name", "--model"):
            if model := _value_of(flag, command):
                return model
        words = [*command]
        if "serve" in words[:-1]:
            following = words[words.index("serve") + 1]
            return None if following.startswith("-") else following
        return words[0] if words and "/" in words[0] and not words[0].startswith("/") else None


def _value_of(flag: str, command: tuple[str, ...]) -> str | None:
    for word, following in zip_longest(command, command[1:], fillvalue=""):
        if word == flag:
            return following or None
        if word.startswith(f"{flag}="):
            return word.partition("=")[2] or None
    return None
