"""How a box gives GPUs to containers, chosen from what the look found.

CDI names devices; Docker takes them from 25 on, and tells from 28.2 on which there are. `--gpus` came
with Docker 19.03; before it there was only the runtime `nvidia` with a variable. Podman's
Docker-compatible API takes CDI alone, from 5.4.0 on; asked otherwise, or an older one, it starts the
container without GPUs and says nothing (4.3.1: measured). Docker from a snap gives them by its own
runtime `nvidia`, which has its own list of devices, named by index; the box's own list leads to
programs that the snap does not see.
https://docs.docker.com/reference/cli/dockerd/#configure-cdi-devices
https://github.com/containers/podman/blob/main/RELEASE_NOTES.md#540
https://github.com/lablup/backend.ai/issues/13820
https://github.com/canonical/docker-snap#nvidia-support
"""

from __future__ import annotations

from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import DockerInfo
from gptoss_tui.domain.launch import GpuAccess
from gptoss_tui.errors import UsageError

_KIND = "nvidia.com/gpu"
_PODMAN_WITH_GPUS = (5, 4)
_WITH_GPUS = (1, 40)  # Docker 19.03
PODMAN_OLD = "Podman {version} gives containers no GPUs through its Docker-compatible API."
PODMAN_OLD_STEP = "Update to podman 5.4 or newer, or install Docker Engine."


def gpu_access(
    docker: DockerInfo | None, gpus: tuple[Gpu, ...], wanted: GpuAccess | None = None
) -> tuple[GpuAccess, tuple[str, ...]]:
    """The way, and for CDI the names of the devices. Raises `UsageError` where `wanted` is none."""
    if docker is not None and docker.podman:
        return "cdi", _of_podman(docker, gpus, wanted)
    if docker is not None and docker.snap and wanted in (None, "runtime"):
        return "runtime", tuple(f"{_KIND}={gpu.index}" for gpu in gpus)
    names = _names(docker, gpus)
    if wanted == "cdi" and not names:
        raise UsageError(
            "The box's Docker tells of no CDI device for these GPUs.",
            "Run `nvidia-ctk cdi generate` on it, or take --gpu-access gpus.",
        )
    way = wanted or _best(docker, names)
    return way, names if way == "cdi" else ()


def takes_gpus(api_version: str) -> bool:
    """Whether an Engine of that API version ("1.41") knows `--gpus`; one that is unreadable does."""
    major, _, minor = api_version.partition(".")
    if not (major.isdigit() and minor.isdigit()):
        return True
    return (int(major), int(minor)) >= _WITH_GPUS


def podman_gives_gpus(version: str) -> bool:
    """Whether a podman of that version ("5.4.2") does, through that API; an unreadable one does."""
    major, minor, *_ = [*version.split("."), "", ""]
    if not (major.isdigit() and minor.isdigit()):
        return True
    return (int(major), int(minor)) >= _PODMAN_WITH_GPUS


def _best(docker: DockerInfo | None, names: tuple[str, ...]) -> GpuAccess:
    if names:
        return "cdi"
    old = docker is not None and not takes_gpus(docker.api_version)
    return "runtime" if docker is not None and old and "nvidia" in docker.runtimes else "gpus"


def _of_podman(
    docker: DockerInfo, gpus: tuple[Gpu, ...], wanted: GpuAccess | None
) -> tuple[str, ...]:
    """Podman tells of no devices; those of `nvidia-ctk cdi generate` are named by UUID and index."""
    if not podman_gives_gpus(docker.version):
        raise UsageError(PODMAN_OLD.format(version=docker.version), PODMAN_OLD_STEP)
    if wanted not in (None, "cdi"):
        raise UsageError("Podman gives GPUs by CDI alone.", "Leave --gpu-access out.")
    made = tuple(f"{_KIND}={gpu.uuid or gpu.index}" for gpu in gpus)
    return _names(docker, gpus) or made


def _names(docker: DockerInfo | None, gpus: tuple[Gpu, ...]) -> tuple[str, ...]:
    """Each GPU's device, by its UUID where that is listed, else by its index; all or none."""
    listed = set(docker.cdi_devices) if docker else set()
    found: list[str] = []
    for gpu in gpus:
        candidates = (f"{_KIND}={gpu.uuid}", f"{_KIND}={gpu.index}")
        name = next((one for one in candidates if one in listed), None)
        if name is None:
            return ()
        found.append(name)
    return tuple(found)
