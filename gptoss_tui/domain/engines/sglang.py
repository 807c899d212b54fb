"""SGLang behind the engine seam. Sources: 0.5.23 as it ran on a CPU (`tests/checks/sglang_server.py`;
never on a GPU here), its source (`server_args.py`), its documentation (https://docs.sglang.io)."""

from __future__ import annotations

from gptoss_tui.domain.drivers import CUDA13_DRIVER
from gptoss_tui.domain.engines import parts, sglang_log, sglang_metrics
from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.hub_server import HubServer
from gptoss_tui.domain.launch import EngineName, LaunchSpec
from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import UsageError

_LAST_CUDA_12 = (0, 5, 19)
_PORT = 30000
# SGLang takes its key by --api-key alone (or a YAML file that becomes one), and prints all its
# settings when it starts. So the process gives itself the flag, which is in no argument list of the
# machine, and the key is masked in its log.
_KEY_PROGRAM = f"""\
import logging, sys
from importlib.metadata import entry_points
with open("{parts.SECRETS_DIR}/api_key") as file:
    key = file.read().strip()
make = logging.getLogRecordFactory()
def masked(*args, **named):
    record = make(*args, **named)
    said = record.getMessage()
    if key in said:
        record.msg, record.args = said.replace(key, "***"), None
    return record
logging.setLogRecordFactory(masked)
sys.argv = ["sglang", *sys.argv[1:], "--api-key=" + key]
sys.exit(next(iter(entry_points(group="console_scripts", name="sglang"))).load()())
"""


class Sglang(HubServer):
    """`Engine` for SGLang."""

    name: EngineName = "sglang"
    title = "SGLang"
    default_version = DEFAULT_VERSIONS["sglang"]
    container_port = _PORT

    def image(self, version: str, cuda: int = 13) -> str:
        # From 0.5.20 there are images for CUDA 13 alone; 0.5.19 is the last with a -cu129.
        tag = version.removeprefix("v")
        number = versions.number(tag, self.title)
        if cuda < 13 and "-" not in tag:
            if number > _LAST_CUDA_12:
                raise UsageError(
                    f"SGLang {version} has images for CUDA 13 alone, which needs driver "
                    f"{CUDA13_DRIVER} or newer.",
                    "Update the driver, or take --engine-version 0.5.19.",
                )
            tag += "-cu129" if number == _LAST_CUDA_12 else ""
        return f"lmsysorg/sglang:v{tag}"

    def open_routes(self, version: str) -> tuple[str, ...]:
        return ("/health", "/health_generate", "/ready", "/metrics")  # /ready: from 0.5.20

    def container_command(self, spec: LaunchSpec) -> tuple[str, ...]:
        # By itself it listens on 127.0.0.1, which in a container nobody reaches.
        words = (
            "serve", parts.model_argument(spec),
            "--host", "0.0.0.0", "--port", str(_PORT),  # noqa: S104  inside the container
            *spec.arguments, *parts.served_name_argument(spec),
        )  # fmt: skip
        return words if spec.needs_api_key else ("sglang", *words)

    def container_entrypoint(self, spec: LaunchSpec) -> tuple[str, ...] | None:
        return ("python3", "-c", _KEY_PROGRAM) if spec.needs_api_key else None

    def read_metrics(self, page: str) -> EngineSnapshot:
        return sglang_metrics.read_metrics(page)

    def read_log(self, line: str) -> PhaseMark | None:
        return sglang_log.read_log(line)

    def recognises(self, image: str, command: tuple[str, ...]) -> bool:
        words = " ".join(command)
        return "sglang" in parts.image_name(image) or any(
            sign in words for sign in ("sglang serve", "sglang.launch_server")
        )

    def served_model(self, command: tuple[str, ...]) -> str | None:
        return parts.model_in(command, ("--served-model-name", "--model-path", "--model"))
