"""How containers get at the GPUs: by CDI, by a runtime, by a hook, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.drivers import branch
from gptoss_tui.domain.host import DockerInfo, Finding
from gptoss_tui.domain.preflight.seen import Seen
from gptoss_tui.domain.preflight.snap import is_snap

# Those by which the repair "toolkit" can install.
_MANAGERS = {"apt-get", "dnf", "zypper"}
_NOT_FOUND = "The NVIDIA Container Toolkit was not found: no container can see the GPUs."
_GENERATE = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"


def check(seen: Seen) -> Iterator[Finding]:
    probe, docker = seen.probe, seen.docker
    if seen.report.is_container and docker is None:
        return
    here = seen.report.is_container and probe.docker.runs_here  # not the host's Docker
    if here and seen.report.gpus and not probe.hardware.uvm:
        yield _without_uvm()
        return
    if not (seen.report.gpus or probe.hardware.cards):
        return
    if is_snap(seen):  # it does not take the box's toolkit
        if docker is not None and "nvidia" in docker.runtimes:
            yield _fine("the runtime nvidia of Docker's snap")
    elif docker is None:
        yield from _without_engine(seen)
    elif docker.podman:
        yield from _by_podman(seen, docker)
    else:
        yield from _by_docker(seen, docker)


def _without_uvm() -> Finding:
    """https://github.com/NVIDIA/nvidia-modprobe makes the node, on the host alone."""
    return Finding(
        code="gpu_no_uvm",
        level="blocker",
        what="This box is a container, and may not open /dev/nvidia-uvm: CUDA does not start "
        "(nvidia-smi works without it).",
        do="On the host: nvidia-modprobe -u -c 0, and pass the device on (LXC: lxc.mount.entry, and "
        "lxc.cgroup2.devices.allow for its number).",
        topic="GPU runtime",
    )


def _without_engine(seen: Seen) -> Iterator[Finding]:
    """What will be missing once Docker answers."""
    toolkit, signs = seen.probe.toolkit, seen.probe.docker
    if toolkit.configured or toolkit.cdi_files:
        return
    if toolkit.installed:
        yield from _installed(seen)
    elif signs.cli or signs.daemon or seen.probe.denied:
        yield _missing(seen, _NOT_FOUND)


def _by_podman(seen: Seen, docker: DockerInfo) -> Iterator[Finding]:
    toolkit = seen.probe.toolkit
    if docker.cdi_devices or toolkit.cdi_files:
        yield from _by_cdi(seen)
    elif toolkit.installed:
        yield Finding(
            code="gpu_runtime_unconfigured",
            level="blocker",
            what="The NVIDIA Container Toolkit is installed, but has written no list of devices "
            "(CDI), by which podman gives GPUs to containers.",
            do=f"{_GENERATE}.",
            topic="GPU runtime",
            repair="runtime",
        )
    else:
        yield _missing(seen, _NOT_FOUND)


def _by_docker(seen: Seen, docker: DockerInfo) -> Iterator[Finding]:
    toolkit = seen.probe.toolkit
    if docker.cdi_devices:
        yield from _by_cdi(seen)
    elif "nvidia" in docker.runtimes and _gone(seen):
        yield _missing(
            seen,
            "Docker's settings name the runtime nvidia, but its program is not on this box any "
            "more: no container can see the GPUs.",
        )
    elif "nvidia" in docker.runtimes and toolkit.gone and not (docker.rootless or seen.elsewhere):
        yield Finding(
            code="gpu_runtime_unconfigured",
            level="blocker",
            what=f"Docker's settings name the runtime nvidia as {toolkit.gone}, which is not there; "
            "the NVIDIA Container Toolkit is installed elsewhere.",
            do="sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker.",
            topic="GPU runtime",
            repair="runtime",
        )
    elif "nvidia" in docker.runtimes:
        yield from _by_runtime(seen, "the runtime nvidia")
    elif toolkit.installed or toolkit.cdi_files:
        yield from _installed(seen)
    else:
        yield _missing(seen, _NOT_FOUND)


def _installed(seen: Seen) -> Iterator[Finding]:
    toolkit = seen.probe.toolkit
    if toolkit.hook and not toolkit.ctk:
        yield from _by_runtime(seen, "the hook of nvidia-container-runtime")
        return
    docker = seen.docker
    unread = toolkit.configured and docker is not None and not docker.rootless
    yield Finding(
        code="gpu_runtime_unconfigured",
        level="warning",
        what="Docker's settings name the runtime nvidia, but it was not restarted since, and does "
        "not know it: containers may not see the GPUs."
        if unread
        else "The NVIDIA Container Toolkit is installed, but Docker was not told of it: "
        "containers may not see the GPUs.",
        do="sudo systemctl restart docker."
        if unread
        else "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker.",
        topic="GPU runtime",
        repair="runtime",
    )


def _gone(seen: Seen) -> bool:
    """Told to Docker in the file that was read here, and none of its programs is there."""
    toolkit = seen.probe.toolkit
    return toolkit.configured and not toolkit.installed and not seen.elsewhere


def _missing(seen: Seen, what: str) -> Finding:
    podman = seen.docker is not None and seen.docker.podman
    tools = seen.probe.tools
    return Finding(
        code="no_gpu_runtime",
        level="blocker",
        what=what,
        do="Install nvidia-container-toolkit and run nvidia-ctk "
        + ("cdi generate." if podman else "runtime configure."),
        topic="GPU runtime",
        repair="toolkit" if tools & _MANAGERS or not tools else None,
    )


def _by_cdi(seen: Seen) -> Iterator[Finding]:
    """The list of devices names files of the driver: after an update they are gone.

    https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html
    """
    made, runs = seen.probe.toolkit.cdi_driver, seen.report.driver_version
    if made and branch(runs) is not None and made != runs:  # both as 580.95.05
        yield Finding(
            code="cdi_stale",
            level="blocker",
            what=f"Containers get the GPUs by a list of devices (CDI) that was made for the driver "
            f"{made}; it is {runs} now, and files that the list names are gone.",
            do=f"{_GENERATE}.",
            topic="GPU runtime",
            repair="runtime",
        )
    elif not seen.probe.hardware.uvm and not seen.probe.toolkit.cdi_without_uvm:
        yield Finding(
            code="gpu_no_uvm",
            level="blocker",
            what="Containers get the GPUs by a list of devices (CDI) that names /dev/nvidia-uvm, and "
            "that is not there: its kernel module is not loaded.",
            do="sudo nvidia-modprobe -u -c 0.",
            topic="GPU runtime",
            repair="runtime",
        )
    elif seen.probe.toolkit.cdi_without_uvm:
        yield Finding(
            code="cdi_incomplete",
            level="warning",
            what="The list of devices (CDI) by which containers get the GPUs lacks "
            "/dev/nvidia-uvm, without which CUDA does not start.",
            do=f"sudo nvidia-modprobe -u -c 0 && {_GENERATE}.",
            topic="GPU runtime",
            repair="runtime",
        )
    else:
        yield _fine("CDI")


def _by_runtime(seen: Seen, way: str) -> Iterator[Finding]:
    """https://github.com/NVIDIA/nvidia-container-toolkit/issues/580"""
    # In a container without privileges (LXC, say) that is how it has to be.
    rootless = seen.report.is_container or (seen.docker is not None and seen.docker.rootless)
    if seen.probe.toolkit.no_cgroups and not rootless:
        yield Finding(
            code="gpu_no_cgroups",
            level="warning",
            what="The NVIDIA Container Toolkit is set for a Docker without root (no-cgroups), and "
            "this one has root: containers see the GPUs, and may not open them.",
            do="sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups=false --in-place.",
            topic="GPU runtime",
            repair="runtime",
        )
    else:
        yield _fine(way)


def _fine(way: str) -> Finding:
    return Finding(
        code="gpu_runtime", level="ok", what=f"Containers get the GPUs by {way}.",
        topic="GPU runtime",
    )  # fmt: skip
