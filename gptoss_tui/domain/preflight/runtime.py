"""How containers get at the GPUs: by CDI, by a runtime, by a hook, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.preflight.seen import Seen


def check(seen: Seen) -> Iterator[Finding]:
    probe, docker = seen.probe, seen.docker
    toolkit = probe.toolkit
    if seen.report.is_container and docker is None:
        return
    if not (seen.report.gpus or probe.hardware.cards):
        return
    if docker is not None and (docker.cdi_devices or (docker.podman and toolkit.cdi_files)):
        yield _fine("CDI")
    elif docker is not None and docker.podman and toolkit.installed:
        yield Finding(
            code="gpu_runtime_unconfigured",
            level="blocker",
            what="The NVIDIA Container Toolkit is installed, but has written no list of devices "
            "(CDI), by which podman gives GPUs to containers.",
            do="sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml.",
            topic="GPU runtime",
            repair="runtime",
        )
    elif docker is not None and "nvidia" in docker.runtimes:
        yield _fine("the runtime nvidia")
    elif docker is None and (toolkit.configured or toolkit.cdi_files):
        return  # there is nobody who would use it
    elif not toolkit.installed and not toolkit.cdi_files:
        if docker is None and not (probe.docker.cli or probe.docker.daemon or probe.denied):
            return  # the toolkit comes after Docker
        yield Finding(
            code="no_gpu_runtime",
            level="blocker",
            what="The NVIDIA Container Toolkit was not found: no container can see the GPUs.",
            do="Install nvidia-container-toolkit and run nvidia-ctk "
            + ("cdi generate." if docker is not None and docker.podman else "runtime configure."),
            topic="GPU runtime",
            repair="toolkit",
        )
    elif toolkit.hook and not toolkit.ctk:
        yield _fine("the hook of nvidia-container-runtime")
    else:
        yield Finding(
            code="gpu_runtime_unconfigured",
            level="warning",
            what="The NVIDIA Container Toolkit is installed, but Docker was not told of it: "
            "containers may not see the GPUs.",
            do="sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart "
            "docker.",
            topic="GPU runtime",
            repair="runtime",
        )


def _fine(way: str) -> Finding:
    return Finding(
        code="gpu_runtime", level="ok", what=f"Containers get the GPUs by {way}.",
        topic="GPU runtime",
    )  # fmt: skip
