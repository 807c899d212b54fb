"""What a look at a box means for a launch: each finding a sentence and the next step."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.gpu import GIB, MIB, Gpu
from gptoss_tui.domain.host import BoxReport, DockerInfo, Finding
from gptoss_tui.domain.parse.numbers import whole
from gptoss_tui.domain.parse.probe import Probe

# A desktop, a monitor or the driver itself hold some memory on an idle card.
IDLE_BYTES = 600 * MIB
# CUDA 13 images (vLLM 0.20 and later, the unsuffixed tag) need driver R580 or newer:
# https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
CUDA13_DRIVER = 580
# vLLM's MXFP4 kernels start at compute capability 8.0 (vLLM source, gpt_oss_mxfp4).
MIN_CAPABILITY = (8, 0)

MIG_SENTENCE = (
    "GPU {index} ({name}) is in MIG mode: it is had in slices, and no launch can take it."
)
MIG_STEP = (
    "Turn MIG off (sudo nvidia-smi -mig 0), or plan for a slice by its memory: "
    "gptoss-tui plan --gpu NAME --gpu-memory-mib MIB."
)


def gpu_is_free(gpu: Gpu) -> bool:
    """Whether nobody else has memory on this GPU (an unknown use counts as free)."""
    return (gpu.memory_used_bytes or 0) <= IDLE_BYTES and not any(
        (process.memory_bytes or 0) > IDLE_BYTES for process in gpu.processes
    )


def findings(
    probe: Probe, docker: DockerInfo | None, docker_problem: tuple[str, str] | None
) -> tuple[Finding, ...]:
    """Everything worth knowing before a launch, blockers first."""
    found = [
        *_container(probe),
        *_gpus(probe),
        *_driver(probe.report),
        *_docker(probe, docker, docker_problem),
        *_tools(probe),
        *_disks(probe.report),
    ]
    order = {"blocker": 0, "warning": 1, "ok": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.level]))


def _container(probe: Probe) -> Iterator[Finding]:
    if not probe.report.is_container:
        return
    signs = ", ".join(probe.container_signs)
    if probe.socket or probe.denied:
        yield Finding(
            code="is_container",
            level="warning",
            what=f"This box is itself a container ({signs}), with Docker's socket inside.",
            do="Paths and ports are those of the host, not of this container.",
        )
        return
    yield Finding(
        code="is_container",
        level="blocker",
        what=f"This box is itself a container ({signs}): there is no Docker inside to launch with.",
        do="It can be watched and talked to. To launch, rent a virtual machine or bare metal.",
    )


def _gpus(probe: Probe) -> Iterator[Finding]:
    report = probe.report
    if not report.gpus:
        what, do = probe.gpu_problem or (
            "No NVIDIA GPU was found: nvidia-smi is missing or tells of none.",
            "Install NVIDIA's driver, or choose a box with a GPU.",
        )
        yield Finding(code="no_gpu", level="blocker", what=what, do=do)
        return
    for gpu in report.gpus:
        if not _capable(gpu):
            yield Finding(
                code="gpu_too_old",
                level="blocker",
                what=f"GPU {gpu.index} ({gpu.name}) has compute capability "
                f"{gpu.compute_capability}; vLLM's MXFP4 needs 8.0 or newer.",
                do="Use another GPU (Ampere or newer), or Ollama on this one.",
            )
        if gpu.mig:
            what = MIG_SENTENCE.format(index=gpu.index, name=gpu.name)
            yield Finding(code="gpu_mig", level="warning", what=what, do=MIG_STEP)
        if not gpu_is_free(gpu):
            yield _busy(gpu)


def _capable(gpu: Gpu) -> bool:
    try:
        major, minor = (gpu.compute_capability or "8.0").split(".")
        return (int(major), int(minor)) >= MIN_CAPABILITY
    except ValueError:
        return True


def _busy(gpu: Gpu) -> Finding:
    used = (gpu.memory_used_bytes or 0) / GIB
    who = ", ".join(f"{process.name} (pid {process.pid})" for process in gpu.processes)
    return Finding(
        code="gpu_busy",
        level="warning",
        what=f"GPU {gpu.index} ({gpu.name}) already holds {used:.1f} GiB"
        + (f": {who}." if who else "."),
        do="It is not chosen by itself. Where no server of yours has it, end that process.",
    )


def _driver(report: BoxReport) -> Iterator[Finding]:
    major = whole((report.driver_version or "").split(".")[0])
    if report.gpus and major is not None and major < CUDA13_DRIVER:
        yield Finding(
            code="driver_old",
            level="warning",
            what=f"The driver is {report.driver_version}; images of vLLM 0.20 and later are built "
            f"for CUDA 13, which needs {CUDA13_DRIVER} or newer.",
            do="Launch with an image tag that ends in -cu129, or update the driver.",
        )


def _docker(
    probe: Probe, docker: DockerInfo | None, problem: tuple[str, str] | None
) -> Iterator[Finding]:
    if docker is None:
        if probe.report.is_container and not probe.socket and not probe.denied:
            return  # said already, in the finding about the container
        yield _no_docker(probe, problem)
        return
    yield Finding(
        code="docker",
        level="ok",
        what=f"Docker Engine {docker.version} (API {docker.api_version}), via {docker.via}.",
    )
    if docker.via != "socket":
        yield Finding(
            code="docker_fallback",
            level="warning",
            what=f"Docker is reached by `{docker.via}` in a session channel, because its socket "
            "cannot be forwarded or this user may not use it.",
            do="Allow it: AllowStreamLocalForwarding yes in sshd, the user in the docker group.",
        )
    if probe.report.gpus and not _gpu_runtime(probe, docker):
        yield Finding(
            code="no_gpu_runtime",
            level="warning",
            what="The NVIDIA Container Toolkit was not found: containers may not see the GPUs.",
            do="Install nvidia-container-toolkit and run nvidia-ctk runtime configure.",
        )


def _gpu_runtime(probe: Probe, docker: DockerInfo) -> bool:
    return probe.nvidia_runtime or "nvidia" in docker.runtimes or bool(docker.cdi_devices)


def _no_docker(probe: Probe, problem: tuple[str, str] | None) -> Finding:
    if probe.denied:
        return Finding(
            code="docker_permission",
            level="blocker",
            what=f"{probe.report.user or 'This user'} may not use Docker ({probe.denied}), "
            "and sudo asks for a password.",
            do="Add the user to the docker group (which is root by another name), log in again.",
        )
    if problem and (probe.socket or probe.docker_cli):
        return Finding(code="docker_down", level="blocker", what=problem[0], do=problem[1])
    if probe.podman:
        return Finding(
            code="no_docker",
            level="blocker",
            what="There is podman here but no Docker Engine; this version launches with Docker.",
            do="Install Docker Engine: https://docs.docker.com/engine/install/.",
        )
    return Finding(
        code="no_docker",
        level="blocker",
        what="There is no Docker here.",
        do="Install Docker Engine: https://docs.docker.com/engine/install/.",
    )


def _tools(probe: Probe) -> Iterator[Finding]:
    """What the launch helper needs; a box that told of no program at all was not asked."""
    if not probe.tools:
        return
    missing = [tool for tool in ("setsid", "tar") if tool not in probe.tools]
    if not probe.tools & {"curl", "python3"}:
        missing.append("curl (or python3)")
    if missing:
        yield Finding(
            code="tools",
            level="blocker",
            what=f"The box lacks what a launch is carried by: {', '.join(missing)}.",
            do="Install it with the box's package manager (setsid is in util-linux).",
        )


def _disks(report: BoxReport) -> Iterator[Finding]:
    for disk in report.disks:
        if disk.free_bytes is not None and disk.free_bytes < 30 * GIB:
            what = "images" if disk.role == "docker" else "model weights"
            yield Finding(
                code=f"disk_{disk.role}",
                level="warning",
                what=f"Only {disk.free_bytes / GIB:.0f} GiB are free for {what} ({disk.path}).",
                do="An image takes about 25 GiB unpacked, the weights 13 GiB (20b) or 61 GiB "
                "(120b).",
            )
