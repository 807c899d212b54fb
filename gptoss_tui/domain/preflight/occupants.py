"""Who is on a GPU: our own servers, told from everybody else's processes."""

from __future__ import annotations

from dataclasses import dataclass

from gptoss_tui.domain.gpu import GIB, MIB, Gpu, GpuProcess
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.preflight.seen import Seen

# A desktop, a monitor or the driver itself hold some memory on an idle card.
IDLE_BYTES = 600 * MIB


@dataclass(frozen=True)
class Occupants:
    """`ours` are the names of our servers on a GPU, `names` those of the processes that are theirs."""

    gpu: Gpu
    ours: tuple[str, ...]
    names: dict[int, str]
    users: dict[int, str]

    @property
    def busy(self) -> bool:
        """Whether somebody else has memory on it."""
        if not self.ours:
            return not _is_empty(self.gpu)
        return any(map(_much, self.strangers))

    @property
    def strangers(self) -> tuple[GpuProcess, ...]:
        """The processes that are none of our servers'."""
        return tuple(one for one in self.gpu.processes if one.pid not in self.names)

    @property
    def words(self) -> str:
        """Each process with its owner and memory."""
        return "; ".join(self._about(process) for process in self.gpu.processes)

    def _about(self, process: GpuProcess) -> str:
        owner = self.users.get(process.pid)
        whose = f" of {owner}" if owner else ""
        if process.pid in self.names:
            whose = f" of our server {self.names[process.pid]}"
        memory = f", {process.memory_bytes / GIB:.1f} GiB" if process.memory_bytes else ""
        return f"{process.name} (pid {process.pid}){whose}{memory}"


def gpu_is_free(gpu: Gpu, report: BoxReport) -> bool:
    """Whether a program can start on this GPU, and nobody has memory on it (unknown: nobody)."""
    return gpu.usable and _is_empty(gpu) and not is_taken_alone(gpu, report)


def is_taken_alone(gpu: Gpu, report: BoxReport) -> bool:
    """Whether its compute mode lets one process in, and that is there.

    https://docs.nvidia.com/deploy/mps/index.html has the compute modes.
    """
    modes = {health.index: health.compute_mode for health in report.health}
    return bool(gpu.processes) and modes.get(gpu.index) == "Exclusive_Process"


def _is_empty(gpu: Gpu) -> bool:
    return (gpu.memory_used_bytes or 0) <= IDLE_BYTES and not any(map(_much, gpu.processes))


def _much(process: GpuProcess) -> bool:
    return (process.memory_bytes or 0) > IDLE_BYTES


def occupants(gpu: Gpu, seen: Seen) -> Occupants:
    """Processes are known by their container; where none is told of, a server by the GPU it has."""
    running = seen.docker.ours if seen.docker else ()
    by_container = {server.container_id: server.name for server in running}
    there = {process.pid for process in gpu.processes}
    names = {
        owner.pid: by_container[owner.container_id]
        for owner in seen.probe.owners
        if owner.pid in there and owner.container_id in by_container
    }
    ours = dict.fromkeys(names.values())
    if not gpu.processes and not _is_empty(gpu):
        ours |= dict.fromkeys(
            server.name for server in running if {gpu.uuid, str(gpu.index)} & set(server.gpu_ids)
        )
    users = {owner.pid: owner.user for owner in seen.probe.owners}
    return Occupants(gpu, tuple(ours), names, users)
