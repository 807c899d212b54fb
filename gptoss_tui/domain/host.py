"""A box as it was found: system, GPUs, Docker, disks, and what that means for a launch."""

from __future__ import annotations

from typing import Literal

import msgspec

from gptoss_tui.domain.facts import Body
from gptoss_tui.domain.gpu import Gpu

Level = Literal["ok", "warning", "blocker"]


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """A file system that matters: `role` is "docker" or "weights"."""

    role: str
    path: str
    free_bytes: int | None = None
    total_bytes: int | None = None


class CachedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the box's cache: "openai/gpt-oss-20b", and its bytes on disk, whole or in part."""

    model: str
    bytes: int


class DockerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The Docker Engine. `via` says how it is spoken to.

    "socket": the forwarded socket; "dial-stdio" / "sudo dial-stdio": through an exec channel.
    `images` are the tags that are there.
    """

    version: str
    api_version: str
    via: Literal["socket", "dial-stdio", "sudo dial-stdio"]
    runtimes: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    root_dir: str | None = None
    images: tuple[str, ...] = ()
    rootless: bool = False


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing worth knowing before a launch: `what` in a sentence, `do` the next step."""

    code: str
    level: Level
    what: str
    do: str = ""


class BoxReport(Body, frozen=True, kw_only=True, tag="box"):
    """What one look at a box found. A part that could not be read is None and has a finding."""

    hostname: str
    user: str | None = None
    os: str | None = None
    kernel: str | None = None
    architecture: str | None = None
    cpus: int | None = None
    memory_total_bytes: int | None = None
    is_container: bool = False
    driver_version: str | None = None
    cuda_version: str | None = None
    gpus: tuple[Gpu, ...] = ()
    docker: DockerInfo | None = None
    disks: tuple[Disk, ...] = ()
    cached: tuple[CachedModel, ...] = ()
    home: str | None = None
    cache_dir: str | None = None
    listening_ports: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


LinkPhase = Literal["connecting", "needs_you", "up", "degraded", "lost", "retrying", "closed"]


class LinkState(Body, frozen=True, kw_only=True, tag="link"):
    """The connection to a box; `reason` in a sentence where it is not up.

    "degraded": nothing came for `silent_s`, but the connection is not given up.
    """

    phase: LinkPhase
    reason: str = ""
    silent_s: float | None = None

    @property
    def open(self) -> bool:
        """Whether there is a connection that may be used, silent or not."""
        return self.phase in ("up", "degraded")
