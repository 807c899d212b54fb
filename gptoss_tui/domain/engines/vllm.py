"""vLLM behind the engine seam. Sources: vLLM's documentation and source of 0.10.1 to 0.33."""

from __future__ import annotations

from gptoss_tui.domain.engines import parts, vllm_log, vllm_metrics
from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.hub_server import HubServer
from gptoss_tui.domain.launch import EngineName, LaunchSpec
from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS
from gptoss_tui.domain.serving import EngineSnapshot

# The key goes from a 0400 file into the server's own environment: it is in no argument list, and
# `docker inspect` does not show it.
_KEY_ENTRYPOINT = (
    "/bin/sh",
    "-c",
    f'VLLM_API_KEY="$(cat {parts.SECRETS_DIR}/api_key)" && export VLLM_API_KEY '
    '&& exec vllm serve "$@"',
    "vllm",
)


class Vllm(HubServer):
    """`Engine` for vLLM."""

    name: EngineName = "vllm"
    title = "vLLM"
    default_version = DEFAULT_VERSIONS["vllm"]
    container_port = 8000

    def image(self, version: str, cuda: int = 13) -> str:
        # Since 0.20 the plain tag is built for CUDA 13, and -cu129 runs on older drivers:
        # https://github.com/vllm-project/vllm/issues/42738
        tag = version.removeprefix("v")
        if cuda < 13 and "-" not in tag and versions.number(tag, self.title) >= (0, 20, 0):
            tag += "-cu129"
        return f"vllm/vllm-openai:v{tag}"

    def open_routes(self, version: str) -> tuple[str, ...]:
        # https://docs.vllm.ai/en/latest/usage/security.html: the key guards /v1 and few others.
        return (
            "/invocations", "/tokenize", "/detokenize", "/metrics", "/load", "/version", "/health",
            "/ping", "/pause", "/resume", "/abort_requests",
        )  # fmt: skip

    def container_command(self, spec: LaunchSpec) -> tuple[str, ...]:
        return (parts.model_argument(spec), *spec.arguments, *parts.served_name_argument(spec))

    def container_entrypoint(self, spec: LaunchSpec) -> tuple[str, ...] | None:
        return _KEY_ENTRYPOINT if spec.needs_api_key else None

    def read_metrics(self, page: str) -> EngineSnapshot:
        return vllm_metrics.read_metrics(page)

    def read_log(self, line: str) -> PhaseMark | None:
        return vllm_log.read_log(line)

    def recognises(self, image: str, command: tuple[str, ...]) -> bool:
        words = " ".join(command)
        return "vllm" in parts.image_name(image) or any(
            sign in words for sign in ("vllm serve", "vllm.entrypoints")
        )

    def served_model(self, command: tuple[str, ...]) -> str | None:
        return parts.model_in(command, ("--served-model-name", "--model"))
