"""A box as it was found: system, GPUs, Docker, disks, and what that means for a launch."""

from __future__ import annotations

from typing import Literal

import msgspec

from gptoss_tui.domain.facts import Body
from gptoss_tui.domain.gpu import Gpu

Level = Literal["ok", "warning", "blocker"]
Cloud = Literal["aws", "gcp", "azure"]


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


class OwnServer(msgspec.Struct, frozen=True, kw_only=True):
    """A container of ours that runs, and the GPUs it was given (UUIDs or indices)."""

    name: str
    container_id: str
    gpu_ids: tuple[str, ...] = ()


class DockerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The Docker Engine. `via` says how it is spoken to.

    "socket": the forwarded socket; "dial-stdio" / "sudo dial-stdio": through an exec channel.
    `images` are the tags that are there. `image_store` is "containerd" where images lie in
    containerd's folder and not in Docker's. `proxy` is host and port of the one it pulls through,
    `mirrors` those of Docker Hub. `published` are the ports that its containers have; `stale` are
    stopped containers of ours, `ours` those that run. `podman`: what answers is podman's own
    service; `snap`: the Engine is Canonical's snap; `desktop`: it is in the virtual machine of
    Docker Desktop. `selinux`: it confines containers by SELinux; `userns_remap`: their root is
    another user of the box. `forwards`: the kernel passes on what containers send. `authorization`
    are the plugins that may refuse a call.
    """

    version: str
    api_version: str
    via: Literal["socket", "dial-stdio", "sudo dial-stdio"]
    runtimes: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    root_dir: str | None = None
    images: tuple[str, ...] = ()
    rootless: bool = False
    podman: bool = False
    snap: bool = False
    desktop: bool = False
    selinux: bool = False
    userns_remap: bool = False
    forwards: bool = True
    authorization: tuple[str, ...] = ()
    storage_driver: str = ""
    image_store: Literal["docker", "containerd"] = "docker"
    proxy: str | None = None
    mirrors: tuple[str, ...] = ()
    published: tuple[int, ...] = ()
    stale: tuple[str, ...] = ()
    ours: tuple[OwnServer, ...] = ()


class GpuHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a GPU is set and how it fares. `throttled` says why it is slowed down now, in words.

    `ecc_errors` are uncorrected ones since the driver was loaded. `repair_pending`: memory rows or
    pages wait for a reset of the card; `repair_failed`: no spare rows are left.
    """

    index: int
    persistence: bool | None = None
    ecc: bool | None = None
    ecc_errors: int | None = None
    repair_pending: bool = False
    repair_failed: bool = False
    throttled: tuple[str, ...] = ()
    compute_mode: str | None = None
    temperature_c: float | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing worth knowing before a launch: `what` in a sentence, `do` the next step.

    `topic` is what it is about ("GPUs", "network"), by which good news are told in one line.
    `repair` names the repair (`domain.repair`) by which the app can do it.
    """

    code: str
    level: Level
    what: str
    do: str = ""
    topic: str = ""
    repair: str | None = None


class BoxReport(Body, frozen=True, kw_only=True, tag="box"):
    """What one look at a box found. A part that could not be read is None and has a finding.

    `clock_skew_s` is how far the box's clock is ahead of ours; 0 within what can be told. `cloud`
    is that of a box in one of those that give notice before they take a spot box back.
    """

    hostname: str
    user: str | None = None
    os: str | None = None
    kernel: str | None = None
    architecture: str | None = None
    cpus: int | None = None
    cpu_model: str | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    is_container: bool = False
    cloud: Cloud | None = None
    driver_version: str | None = None
    cuda_version: str | None = None
    gpus: tuple[Gpu, ...] = ()
    health: tuple[GpuHealth, ...] = ()
    docker: DockerInfo | None = None
    disks: tuple[Disk, ...] = ()
    cached: tuple[CachedModel, ...] = ()
    home: str | None = None
    cache_dir: str | None = None
    listening_ports: tuple[int, ...] = ()
    shm_bytes: int | None = None
    clock_skew_s: float | None = None
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
