"""The machine: its system, processor and memory, whether it is a container, what a launch needs."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.preflight.seen import Seen

# The images of all three engines are for these (uname -m).
ARCHITECTURES = ("x86_64", "amd64", "aarch64", "arm64")
# vLLM: 2 cores and one for each GPU, at least.
# https://docs.vllm.ai/en/latest/configuration/optimization/#cpu-resources-for-gpu-deployments
_CORES = 2
_LITTLE_MEMORY = 16 * GIB
_LITTLE_AVAILABLE = 6 * GIB
# What a server without a container (or with the host's IPC) shares between its processes: vLLM
# refuses to start with "Insufficient space in /dev/shm" at 160 MiB.
_LITTLE_SHM = 1 * GIB


def check(seen: Seen) -> Iterator[Finding]:
    yield from _container(seen)
    troubles = [*_machine(seen), *_tools(seen), *_state(seen), *_shared_memory(seen)]
    yield from troubles
    if not troubles:
        report = seen.report
        parts = (
            report.os,
            f"kernel {report.kernel}" if report.kernel else None,
            f"{report.cpus} CPUs" if report.cpus else None,
            f"{report.memory_total_bytes / GIB:.0f} GiB of memory"
            if report.memory_total_bytes
            else None,
        )
        words = ", ".join(part for part in parts if part)
        if words:
            yield Finding(code="system", level="ok", what=f"{words}.", topic="system")


def _container(seen: Seen) -> Iterator[Finding]:
    probe = seen.probe
    if not probe.report.is_container:
        return
    signs = ", ".join(probe.container_signs)
    if has_engine(seen):
        yield Finding(
            code="is_container",
            level="warning",
            what=f"This box is itself a container ({signs}), with Docker inside.",
            do="Where it is the host's Docker, paths and ports are those of the host.",
            topic="system",
        )
        return
    yield Finding(
        code="is_container",
        level="blocker",
        what=f"This box is itself a container ({signs}): "
        + (
            "Docker is installed in it, and may not run (it has no privileges)."
            if probe.docker.daemon
            else "there is no Docker inside to launch with."
        ),
        do="It can be watched and talked to. To launch, rent a virtual machine or bare metal.",
        topic="system",
    )


def has_engine(seen: Seen) -> bool:
    """Whether a container engine is here, running or not."""
    probe = seen.probe
    daemon = probe.docker.daemon and not probe.unprivileged
    return bool(seen.docker or probe.socket or probe.denied or daemon)


def _machine(seen: Seen) -> Iterator[Finding]:
    probe, report = seen.probe, seen.report
    if probe.system not in (None, "Linux"):
        yield Finding(
            code="not_linux",
            level="blocker",
            what=f"This box runs {probe.system}: NVIDIA's containers need Linux.",
            do="Choose a box with Linux (WSL 2 counts).",
            topic="system",
        )
    if report.architecture is not None and report.architecture not in ARCHITECTURES:
        yield Finding(
            code="architecture",
            level="blocker",
            what=f"The processor is {report.architecture}; the images are for amd64 and arm64.",
            do="Choose another box.",
            topic="system",
        )
    if report.cpus is not None and report.gpus and report.cpus < _CORES + len(report.gpus):
        yield Finding(
            code="few_cpus",
            level="warning",
            what=f"{report.cpus} CPUs are few for {len(report.gpus)} GPUs: vLLM wants "
            f"{_CORES + len(report.gpus)} or more, and is slowed down by less.",
            do="Use fewer GPUs of it, or a box with more CPUs.",
            topic="system",
        )
    if probe.avx2 is False and report.architecture in (None, "x86_64", "amd64"):
        yield Finding(
            code="cpu_old",
            level="warning",
            what="The processor has no AVX2: an engine may die of an illegal instruction.",
            do="In a virtual machine its processor type may hide it: set that to `host` (Proxmox, "
            "libvirt). Else choose a newer processor.",
            topic="system",
        )
    available = report.memory_available_bytes
    if report.memory_total_bytes is not None and report.memory_total_bytes < _LITTLE_MEMORY:
        yield Finding(
            code="little_memory",
            level="warning",
            what=f"The box has {report.memory_total_bytes / GIB:.0f} GiB of memory: loading a model "
            "may be ended by the kernel, or be slow.",
            do="16 GiB is the least for the 20b; end what else uses memory.",
            topic="system",
        )
    elif available is not None and available < _LITTLE_AVAILABLE:
        yield Finding(
            code="little_memory",
            level="warning",
            what=f"Only {available / GIB:.1f} GiB of the box's memory are available: others use the "
            "rest, and the kernel may end a server that loads.",
            do="End what uses it: ps aux --sort=-rss | head.",
            topic="system",
        )


def _tools(seen: Seen) -> Iterator[Finding]:
    """What the launch helper needs; a box that told of no program at all was not asked."""
    there = seen.probe.tools
    if not there:
        return
    missing = [tool for tool in ("setsid", "tar") if tool not in there]
    if not there & {"curl", "python3"}:
        missing.append("curl (or python3)")
    if missing:
        yield Finding(
            code="tools",
            level="blocker",
            what=f"The box lacks what a launch is carried by: {', '.join(missing)}.",
            do="Install it with the box's package manager (setsid is in util-linux).",
            topic="system",
        )


def _state(seen: Seen) -> Iterator[Finding]:
    """Where the launch helper and repairs keep their logs."""
    if seen.probe.state_denied and "state" not in seen.probe.read_only:
        yield Finding(
            code="state_denied",
            level="blocker",
            what=f"This user may not write to {seen.probe.state_denied}, where launches keep their "
            "logs: no such home folder, or somebody else's.",
            do="Give the user a home folder (mkhomedir_helper, chown), or name another folder by "
            "XDG_STATE_HOME.",
            topic="system",
        )


def _shared_memory(seen: Seen) -> Iterator[Finding]:
    shm = seen.report.shm_bytes
    if shm is None or shm >= _LITTLE_SHM:
        return
    yield Finding(
        code="shm_small",
        level="warning",
        what=f"The folder /dev/shm has {shm / MIB:.0f} MiB: a server outside of a container, or "
        "one with --ipc=host, dies of it.",
        do="Servers that the app launches bring their own. For others: "
        "sudo mount -o remount,size=16g /dev/shm.",
        topic="system",
    )
