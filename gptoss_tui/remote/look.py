"""One look at a box: the probe script and Docker's own word, put together as a report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gptoss_tui.domain.host import BoxReport, Cloud, Disk, DockerInfo, OwnServer
from gptoss_tui.domain.launch import LABEL_SPEC
from gptoss_tui.domain.parse import nvidia_smi
from gptoss_tui.domain.parse.probe import Probe, parse_probe
from gptoss_tui.domain.parse.sections import kib
from gptoss_tui.domain.preflight import findings
from gptoss_tui.domain.render import LABEL_GPU
from gptoss_tui.errors import (
    CommandError,
    DockerError,
    GptossError,
    NoDockerError,
    NotFoundError,
)
from gptoss_tui.remote import scripts
from gptoss_tui.remote.docker import DEFAULT_SOCKET, Docker, doors
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode

# Each program of the script has its own limit; this one is for a box that does not go on at all.
_PROBE_S = 40


def _utc() -> datetime:
    return datetime.now(UTC)


async def probe(transport: Transport, now: Callable[[], datetime] = _utc) -> Probe:
    """Run the probe script once; `now` is the clock that the box's is compared with.

    Raises `CommandError` where it does not get to its end.
    """
    fields = ",".join(nvidia_smi.GPU_FIELDS), ",".join(nvidia_smi.HEALTH_FIELDS)
    began = now().timestamp()
    done = await transport.run(scripts.command("probe", *fields), timeout_s=_PROBE_S)
    found = parse_probe(decode(done.stdout))
    if not found.complete:
        raise _broke_off(decode(done.stdout), decode(done.stderr))
    skew = _skew(found, began, now().timestamp())
    return msgspec.structs.replace(
        found, report=msgspec.structs.replace(found.report, clock_skew_s=skew)
    )


def _broke_off(out: str, err: str) -> CommandError:
    """Why the script did not get to its end. csh ends a quoted text at the end of its line."""
    if "Unmatched '" in err:
        return CommandError(
            "The user's login shell on the box is csh or tcsh, which cannot run what the app sends.",
            "Give the user another one on the box: chsh -s /bin/sh.",
        )
    said = err.strip() or ("" if "@@" in out else out.strip())
    return CommandError(
        f"The look at the box broke off: {said[:200].rstrip('.') or 'no output'}.",
        "The login shell may print or refuse something: try `ssh BOX true`.",
    )


async def cloud(transport: Transport) -> Cloud | None:
    """Which cloud the box is in, by its firmware alone: a small part of the look."""
    done = await transport.run(scripts.command("probe", "", "", "dmi"), timeout_s=10)
    return parse_probe(decode(done.stdout)).report.cloud


def _skew(found: Probe, began: float, ended: float) -> float | None:
    """Seconds by which the box's clock is ahead of ours, at least; it was read in between."""
    if found.box_time is None:
        return None
    box = found.box_time.timestamp()  # whole seconds: up to one more
    if box > ended:
        return box - ended
    return box + 1 - began if box + 1 < began else 0.0


async def docker_of(transport: Transport, found: Probe | None, *, ask: bool = True) -> Docker:
    """The Engine, by the cheapest way that works. Raises `DockerError`.

    Before the first look only the usual socket is known: where nothing answers there, the box is
    asked for another one (a rootless Engine's, say), unless the caller asks it anyway.
    """
    socket = _socket(found) or DEFAULT_SOCKET
    try:
        return await Docker.connect(doors(transport, socket))
    except NoDockerError:
        other = elsewhere(await probe(transport)) if found is None and ask else None
        if other is None:
            raise
        return await Docker.connect(doors(transport, other))


def elsewhere(found: Probe) -> str | None:
    """The socket, where it is not the usual one."""
    socket = _socket(found)
    return None if socket == DEFAULT_SOCKET else socket


def _socket(found: Probe | None) -> str | None:
    return (found.socket or found.denied) if found else None


async def docker_info(docker: Docker) -> DockerInfo:
    """What the Engine says of itself and of its containers. Raises `DockerError`."""
    info: dict[str, Any] = await docker.get("/info")
    listed: list[dict[str, Any]] = await docker.get("/containers/json", {"all": "1"})
    root = info.get("DockerRootDir")
    security = " ".join(map(str, info.get("SecurityOptions") or ()))
    return DockerInfo(
        version=docker.version,
        api_version=docker.api,
        via=docker.via,
        runtimes=tuple(info.get("Runtimes") or ()),
        cdi_devices=tuple(
            str(device.get("ID")) for device in info.get("DiscoveredDevices") or () if device
        ),
        root_dir=root,
        images=await _images(docker),
        rootless="rootless" in security,
        storage_driver=str(info.get("Driver") or ""),
        podman=docker.podman,
        snap=str(root).startswith("/var/snap/docker/"),
        desktop=info.get("OperatingSystem") == "Docker Desktop",
        selinux="name=selinux" in security,
        userns_remap="name=userns" in security,
        forwards=info.get("IPv4Forwarding") is not False,
        authorization=tuple(map(str, (info.get("Plugins") or {}).get("Authorization") or ())),
        image_store="containerd" if _keeps_in_containerd(info) else "docker",
        proxy=_without_secrets(info.get("HttpsProxy")),
        mirrors=_mirrors(info),
        published=tuple(sorted(_published(listed))),
        stale=tuple(sorted(name for each in listed if (name := _stale(each)))),
        ours=tuple(filter(None, map(_own, listed))),
    )


def _keeps_in_containerd(info: dict[str, Any]) -> bool:
    """Engines from 29 on leave images to containerd, which has a folder of its own.

    https://docs.docker.com/engine/storage/containerd/
    """
    return "io.containerd.snapshotter" in str(info.get("DriverStatus"))


def _without_secrets(url: object) -> str | None:
    """Host and port of a proxy: its address may hold a password."""
    return urlsplit(str(url)).netloc.rpartition("@")[2] or None if url else None


def _mirrors(info: dict[str, Any]) -> tuple[str, ...]:
    told = (info.get("RegistryConfig") or {}).get("Mirrors") or ()
    return tuple(host for url in told if (host := _without_secrets(url)))


def _published(listed: list[dict[str, Any]]) -> set[int]:
    ports = (port.get("PublicPort") for each in listed for port in each.get("Ports") or ())
    return {port for port in ports if isinstance(port, int)}


def _stale(container: dict[str, Any]) -> str | None:
    """The name of a stopped container of ours; None for all others."""
    ended = str(container.get("State")).lower() in ("exited", "dead")
    return _name(container) if ended and LABEL_SPEC in _labels(container) else None


def _own(container: dict[str, Any]) -> OwnServer | None:
    """A container of ours that runs; None for all others."""
    labels = _labels(container)
    if LABEL_SPEC not in labels or str(container.get("State")).lower() != "running":
        return None
    gpus = (key.removeprefix(LABEL_GPU) for key in labels if key.startswith(LABEL_GPU))
    return OwnServer(
        name=_name(container),
        container_id=str(container.get("Id")),
        gpu_ids=tuple(sorted(gpus)),
    )


def _labels(container: dict[str, Any]) -> dict[str, Any]:
    return container.get("Labels") or {}


def _name(container: dict[str, Any]) -> str:
    names = container.get("Names") or ()
    return str(names[0]).lstrip("/") if names else str(container.get("Id"))[:12]


async def _images(docker: Docker) -> tuple[str, ...]:
    """The tags that are there, in no order of their own. Raises `DockerError`."""
    listed: list[dict[str, Any]] = await docker.get("/images/json")
    tags = (tag for image in listed for tag in image.get("RepoTags") or ())
    return tuple(sorted({str(tag) for tag in tags if tag != "<none>:<none>"}))


async def report(
    transport: Transport, found: Probe, docker: Docker | None, problem: GptossError | None
) -> BoxReport:
    """The report of a probe, completed with Docker's own word."""
    info: DockerInfo | None = None
    if docker is not None:
        try:
            info = await docker_info(docker)
            info = msgspec.structs.replace(info, snap=info.snap or found.docker.snap)
        except (DockerError, NotFoundError) as error:
            problem = error
    disks = await _disks(transport, found.report.disks, info)
    found = msgspec.structs.replace(
        found, report=msgspec.structs.replace(found.report, docker=info, disks=disks)
    )
    said = None if problem is None else (problem.message, problem.next_step)
    return msgspec.structs.replace(found.report, findings=findings(found, info, said))


async def _disks(
    transport: Transport, disks: tuple[Disk, ...], info: DockerInfo | None
) -> tuple[Disk, ...]:
    """One disk for images and one for weights: images lie where the Engine says they do."""
    by_role = {disk.role: disk for disk in disks}
    images, containerd = by_role.get("docker"), by_role.pop("containerd", None)
    if info is not None and info.image_store == "containerd" and containerd is not None:
        by_role["docker"] = msgspec.structs.replace(containerd, role="docker")
    elif info is not None and info.root_dir and (images is None or images.path != info.root_dir):
        by_role["docker"] = await _disk_of(transport, info.root_dir) or Disk(
            role="docker", path=info.root_dir
        )
    return tuple(by_role.values())


async def _disk_of(transport: Transport, root: str) -> Disk | None:
    """A second question, where the script had looked at another folder than the Engine uses."""
    done = await transport.run(("df", "-Pk", root), timeout_s=10)
    words = decode(done.stdout).strip().splitlines()[-1:]
    cells = words[0].split() if done.status == 0 and words else []
    total, free = (kib(cells[1]), kib(cells[3])) if len(cells) > 4 else (None, None)
    return Disk(role="docker", path=root, total_bytes=total, free_bytes=free) if free else None
