"""The launch spec: one versioned, secret-free record of what shall run.

It renders both the Engine API body and the `docker run` line (see `domain.render`), and is kept in
a label on the container, so that any laptop that can reach the box finds and manages it.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from gptoss_tui.domain.secret import Secret
from gptoss_tui.domain.startup import Prediction

SPEC_VERSION = 1
LABEL_SPEC = "io.gptoss-tui.spec"
LABEL_LAUNCH = "io.gptoss-tui.launch"
_SET_ASIDE = re.compile(r"-before-\d{8}-\d{6}-[0-9a-f]{6}$")

EngineName = Literal["vllm", "sglang", "ollama"]
GpuAccess = Literal["gpus", "cdi", "runtime"]


class LaunchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What shall run, where. Holds no secret: `needs_api_key` and `has_token` only say that one is.

    `gpu_ids` are what Docker's DeviceIDs take (an index or a UUID). `gpu_access` is how the box
    gives GPUs to containers: "gpus" (`--gpus`), "cdi" (`--device`, by the names in `cdi_devices`) or
    "runtime" (the runtime `nvidia` and a variable, with those names where there are any). `port` is
    published on `bind` of the box; `arguments` are the engine's own, after the image;
    `weights_bytes` is the size of the checkpoint as this version stores it. `cache_dir` is the
    box's HF `hub` folder (or the engine's own store), mounted at the engine's; `weights_dir` is a
    folder of the box with the checkpoint, `vocab_dir` one with the Harmony vocabulary: with them
    nothing is fetched. `shm_bytes` is `--shm-size`, `security_opt` `--security-opt`, `host_user`
    `--userns=host`. `planned` is what the plan said of the engine's memory.
    """

    version: int = SPEC_VERSION
    launch_id: str
    name: str
    engine: EngineName = "vllm"
    engine_version: str
    image: str
    model: str
    served_name: str
    gpu_ids: tuple[str, ...]
    gpu_access: GpuAccess = "gpus"
    cdi_devices: tuple[str, ...] = ()
    port: int
    bind: str = "127.0.0.1"
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    cache_dir: str | None = None
    weights_dir: str | None = None
    vocab_dir: str | None = None
    weights_bytes: int | None = None
    shm_bytes: int = 16 * 1024**3
    security_opt: tuple[str, ...] = ()
    host_user: bool = False
    stop_timeout_s: int = 90
    restart_once_ready: bool = True
    needs_api_key: bool = False
    has_token: bool = False
    created_by: str = ""
    created_at: str = ""
    planned: Prediction | None = None


class Secrets:
    """What a launch needs and nobody may read. Prints as stars; is never part of a fact."""

    __slots__ = ("api_key", "hf_token")

    def __init__(self, *, hf_token: Secret | None = None, api_key: Secret | None = None) -> None:
        self.hf_token = hf_token
        self.api_key = api_key

    def __repr__(self) -> str:
        return "Secrets(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("secrets are not serialised")


def set_aside(name: str, launch_id: str) -> str:
    """What an upgrade calls the container it goes back to, as remote/scripts/replace.sh does."""
    return f"{name}-before-{launch_id}"


def is_set_aside(name: str) -> bool:
    """Whether a container is one that an upgrade goes back to."""
    return _SET_ASIDE.search(name) is not None
