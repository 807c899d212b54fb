"""What `gptoss-probe` printed, as a `Probe`: the `BoxReport`, and what findings are made from."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gptoss_tui.domain.gpu import Gpu, GpuProcess
from gptoss_tui.domain.host import BoxReport, CachedModel, Disk
from gptoss_tui.domain.parse import nvidia_smi, probe_engine, probe_host
from gptoss_tui.domain.parse.numbers import moment, whole
from gptoss_tui.domain.parse.probe_engine import DockerSigns, Toolkit
from gptoss_tui.domain.parse.probe_host import (
    Detail,
    Hardware,
    Inodes,
    KernelLog,
    Ports,
    Reach,
    Resolvers,
)
from gptoss_tui.domain.parse.sections import Sections, answer, kib, pairs, sections
from gptoss_tui.domain.spot.clouds import cloud_of

_SYS_ADMIN = 21


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """An inference server that runs as a plain process."""

    pid: int
    user: str
    command: tuple[str, ...]


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a process on a GPU is: its user on the box, and its container if it is in one."""

    pid: int
    user: str
    container_id: str | None = None


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The sections of one look, read but not judged. `denied` is a socket without permission.

    `sudo` is "yes" without a password, "password" with one, None where there is none. `owners` are
    those of the processes on GPUs. `gpus_hung`: nvidia-smi did not answer in time.
    `incomplete_bytes` are downloads in the model cache that broke off; `others_bytes` what it holds
    of models that are not launched here. `state_denied` and `hub_denied` are the folder of launches
    and the model cache, where this user may not write there; `hub_dangling` a link on the way to the
    cache that leads nowhere, as "LINK -> TARGET"; `read_only` file systems that nobody may write to,
    by what would lie there; `largest_free` the mounted disk with the most room. `avx2` is False where
    the processor tells of none. `gpus_lost` and `gpus_to_reset` are GPUs of which the driver says so.
    `unprivileged`: no process here may ever do what Docker has to (CAP_SYS_ADMIN).
    """

    report: BoxReport
    box_time: datetime | None = None
    uid: int | None = None
    system: str | None = None
    distribution: str | None = None
    uptime_s: float | None = None
    tools: frozenset[str] = frozenset()
    avx2: bool | None = None
    state_denied: str | None = None
    hub_denied: str | None = None
    hub_dangling: str | None = None
    read_only: dict[str, str] = {}
    unprivileged: bool = False
    socket: str | None = None
    denied: str | None = None
    docker: DockerSigns = DockerSigns()
    toolkit: Toolkit = Toolkit()
    sudo: str | None = None
    hardware: Hardware = Hardware()
    kernel_log: KernelLog = KernelLog()
    gpu_problem: tuple[str, str] | None = None
    gpu_said: str = ""
    gpus_hung: bool = False
    gpus_lost: tuple[int, ...] = ()
    gpus_to_reset: tuple[int, ...] = ()
    detail: Detail = Detail()
    owners: tuple[Owner, ...] = ()
    ports: Ports = Ports()
    inodes: tuple[Inodes, ...] = ()
    largest_free: Disk | None = None
    resolvers: Resolvers = Resolvers()
    reached: tuple[Reach, ...] = ()
    incomplete_bytes: int = 0
    others_bytes: int = 0
    container_signs: tuple[str, ...] = ()
    servers: tuple[Server, ...] = ()
    complete: bool = False


def parse_probe(text: str, gpu_fields: tuple[str, ...] = nvidia_smi.GPU_FIELDS) -> Probe:
    """Read the output of the probe script; any section may be missing. Never raises.

    `gpu_fields` are those asked for, where the script does not say which the driver knew.
    """
    found = sections(text)
    system = pairs(found["system"])
    docker = pairs(found["docker"])
    asked = "gpus" in found
    gpus, said, status = _gpus(found, gpu_fields)
    rows = "\n".join((said, *found["health"]))
    lost = nvidia_smi.marked(rows, "GPU is lost")
    to_reset = nvidia_smi.marked(rows, "GPU requires reset")
    # Started and never ended, or ended by the clock (137: by KILL).
    hung = asked and not gpus and (status == 137 or (status is None and not said))
    problem = None if gpus or not said else nvidia_smi.explain_failure(said, status or 0)
    return Probe(
        report=_report(system, found, gpus, (*lost, *to_reset)),
        box_time=moment(whole(system.get("time"))),
        uid=whole(system.get("uid")),
        system=system.get("system") or None,
        distribution=pairs(found["os"]).get("ID", "").strip('"') or None,
        uptime_s=nvidia_smi.number(system.get("uptime")),
        tools=frozenset(system.get("tools", "").split()),
        avx2={"no": False, "yes": True}.get(system.get("avx2", "")),
        state_denied=system.get("state_denied") or None,
        hub_denied=system.get("hub_denied") or None,
        hub_dangling=system.get("hub_dangling") or None,
        read_only=_read_only(system, pairs(found["read_only"])),
        unprivileged=_unprivileged(system.get("capabilities", "")),
        socket=probe_engine.socket(docker),
        denied=docker.get("denied"),
        docker=probe_engine.docker(docker),
        toolkit=probe_engine.toolkit(found["runtime"]),
        sudo=docker.get("sudo") or None,
        hardware=probe_host.hardware(found["hardware"]),
        kernel_log=probe_host.kernel_log(found["kernel_log"]),
        gpu_problem=problem,
        gpu_said=said,
        gpus_hung=hung,
        gpus_lost=lost,
        gpus_to_reset=to_reset,
        detail=probe_host.detail(found["detail"]),
        owners=tuple(filter(None, map(_owner, found["owners"]))),
        ports=probe_host.ports(found["ports"]),
        inodes=probe_host.inodes(found["inodes"]),
        largest_free=_largest_free("".join(found["largest_free"])),
        resolvers=probe_host.resolvers(found["resolvers"]),
        reached=probe_host.reached(found),
        incomplete_bytes=_incomplete(found),
        others_bytes=sum(model.bytes for model in _models(found) if not _ours(model)),
        container_signs=tuple(found["container"]),
        servers=tuple(filter(None, map(_server, found["servers"]))),
        complete="end" in found,
    )


def _gpus(found: Sections, asked: tuple[str, ...]) -> tuple[tuple[Gpu, ...], str, int | None]:
    """The GPUs with the processes on them, what nvidia-smi said, and its exit status."""
    text, fields, status = answer(found["gpus"], asked)
    apps = nvidia_smi.parse_compute_apps("\n".join(found["apps"]))
    return _with_processes(nvidia_smi.parse_gpus(text, fields), apps), text, status


def _read_only(system: dict[str, str], disks: dict[str, str]) -> dict[str, str]:
    told = disks | {"state": system.get("read_only_state", "")}
    return {role: point for role, point in told.items() if point}


def _unprivileged(capabilities: str) -> bool:
    """A mask as 00000000a80425fb; https://man7.org/linux/man-pages/man7/capabilities.7.html"""
    try:
        return not int(capabilities, 16) >> _SYS_ADMIN & 1
    except ValueError:
        return False


def _report(
    system: dict[str, str], found: Sections, gpus: tuple[Gpu, ...], broken: tuple[int, ...]
) -> BoxReport:
    release = pairs(found["os"])
    home = system.get("home") or None
    hf_home = system.get("hf_home") or (f"{home}/.cache/huggingface" if home else None)
    banner = "\n".join(found["banner"])
    health, fields, _ = answer(found["health"], nvidia_smi.HEALTH_FIELDS)
    rows = nvidia_smi.parse_health(health, fields)
    shut = {*broken, *(row.index for row in rows if row.compute_mode == "Prohibited")}
    return BoxReport(
        hostname=system.get("hostname") or "?",
        user=system.get("user") or None,
        os=release.get("PRETTY_NAME", system.get("system", "")).strip('"') or None,
        kernel=system.get("kernel") or None,
        architecture=system.get("architecture") or None,
        cpus=whole(system.get("cpus")),
        cpu_model=system.get("cpu_model") or None,
        memory_total_bytes=kib(system.get("memory_kib")),
        memory_available_bytes=kib(system.get("memory_available_kib")),
        is_container=bool(found["container"]),
        cloud=cloud_of(pairs(found["dmi"])),
        driver_version=nvidia_smi.driver_of(health, fields)
        or nvidia_smi.parse_driver_version(banner),
        cuda_version=nvidia_smi.parse_cuda_version(banner),
        gpus=tuple(msgspec.structs.replace(gpu, usable=gpu.index not in shut) for gpu in gpus),
        health=rows,
        disks=tuple(filter(None, map(_disk, found["disks"]))),
        cached=tuple(model for model in _models(found) if _ours(model)),
        home=home,
        cache_dir=system.get("hub") or (f"{hf_home}/hub" if hf_home else None),
        listening_ports=probe_host.ports(found["ports"]).listening,
        shm_bytes=kib("".join(found["shm"]).strip()),
    )


def _with_processes(gpus: tuple[Gpu, ...], apps: tuple[GpuProcess, ...]) -> tuple[Gpu, ...]:
    return tuple(
        msgspec.structs.replace(
            gpu, processes=tuple(app for app in apps if app.gpu_uuid in (None, gpu.uuid))
        )
        for gpu in gpus
    )


def _models(found: Sections) -> tuple[CachedModel, ...]:
    return tuple(filter(None, map(_cached, found["cached"])))


def _ours(model: CachedModel) -> bool:
    return "gpt-oss" in model.model


def _cached(line: str) -> CachedModel | None:
    """`models--openai--gpt-oss-20b 13439712`, as the hub's cache names its folders."""
    name, _, size = line.strip().partition(" ")
    kept = kib(size)
    if kept is None or not name.startswith("models--"):
        return None
    return CachedModel(model=name.removeprefix("models--").replace("--", "/", 1), bytes=kept)


def _incomplete(found: Sections) -> int:
    words = (line.partition(" ") for line in found["cached"])
    return sum(kib(size) or 0 for word, _, size in words if word == "incomplete")


def _disk(line: str) -> Disk | None:
    parts = line.split(maxsplit=3)
    if len(parts) < 4:
        return None
    role, total, free, path = parts
    return Disk(role=role, path=path, total_bytes=kib(total), free_bytes=kib(free))


def _largest_free(line: str) -> Disk | None:
    """`810000000 /opt/dlami/nvme`, in KiB."""
    free, _, path = line.strip().partition(" ")
    size = kib(free)
    return Disk(role="largest_free", path=path, free_bytes=size) if size and path else None


def _owner(line: str) -> Owner | None:
    """`4711 bob`, and behind it the container of the process where it is in one."""
    words = [*line.split(), "", ""]
    pid = whole(words[0])
    if pid is None or not words[1]:
        return None
    return Owner(pid=pid, user=words[1], container_id=words[2] or None)


def _server(line: str) -> Server | None:
    parts = line.split(maxsplit=2)
    pid = whole(parts[0]) if parts else None
    if len(parts) < 3 or pid is None:
        return None
    return Server(pid=pid, user=parts[1], command=tuple(parts[2].split()))
