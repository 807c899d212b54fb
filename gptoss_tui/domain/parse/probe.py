"""What `gptoss-probe` printed, as a `BoxReport`, and the findings that follow from it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import msgspec

from gptoss_tui.domain.gpu import Gpu, GpuProcess
from gptoss_tui.domain.host import BoxReport, CachedModel, Disk
from gptoss_tui.domain.parse import nvidia_smi
from gptoss_tui.domain.parse.numbers import moment, whole


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """An inference server that runs as a plain process."""

    pid: int
    user: str
    command: tuple[str, ...]


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The sections of one look, read but not judged. `denied` is a socket without permission."""

    report: BoxReport
    box_time: datetime | None = None
    uid: int | None = None
    tools: frozenset[str] = frozenset()
    socket: str | None = None
    denied: str | None = None
    docker_cli: bool = False
    sudo: bool = False
    podman: bool = False
    nvidia_runtime: bool = False
    shm_bytes: int | None = None
    gpu_problem: tuple[str, str] | None = None
    bad_gpu_field: str | None = None
    container_signs: tuple[str, ...] = ()
    servers: tuple[Server, ...] = ()
    complete: bool = False


def parse_probe(text: str, gpu_fields: tuple[str, ...]) -> Probe:
    """Read the output of the probe script; any section may be missing. Never raises."""
    sections = _sections(text)
    system = _pairs(sections["system"])
    docker = _pairs(sections["docker"])
    gpu_text = "\n".join(sections["gpus"])
    status = whole("".join(sections["gpus_status"]).strip())
    gpus = _with_processes(
        nvidia_smi.parse_gpus(gpu_text, gpu_fields),
        nvidia_smi.parse_compute_apps("\n".join(sections["apps"])),
    )
    problem = None if gpus or not gpu_text else nvidia_smi.explain_failure(gpu_text, status or 0)
    return Probe(
        report=_report(system, sections, gpus),
        box_time=moment(whole(system.get("time"))),
        uid=whole(system.get("uid")),
        tools=frozenset(system.get("tools", "").split()),
        socket=docker.get("socket"),
        denied=docker.get("denied"),
        docker_cli="cli" in docker,
        sudo="sudo" in docker,
        podman="podman" in docker,
        nvidia_runtime="nvidia_runtime" in docker or "nvidia_ctk" in docker,
        shm_bytes=_kib("".join(sections["shm"]).strip()),
        gpu_problem=problem,
        bad_gpu_field=nvidia_smi.bad_field(gpu_text),
        container_signs=tuple(line for line in sections["container"] if line),
        servers=tuple(filter(None, map(_server, sections["servers"]))),
        complete="end" in sections,
    )


def _sections(text: str) -> defaultdict[str, list[str]]:
    sections: defaultdict[str, list[str]] = defaultdict(list)
    current = ""
    for line in text.splitlines():
        if line.startswith("@@"):
            current = line[2:].strip()
            sections[current] = []
        elif line.strip():
            sections[current].append(line)
    return sections


def _pairs(lines: list[str]) -> dict[str, str]:
    """`key=value` lines; the first of a key wins (the first Docker socket is the one to use)."""
    pairs: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition("=")
        pairs.setdefault(key.strip(), value.strip())
    return pairs


def _report(
    system: dict[str, str], sections: defaultdict[str, list[str]], gpus: tuple[Gpu, ...]
) -> BoxReport:
    release = _pairs(sections["os"])
    home = system.get("home") or None
    hf_home = system.get("hf_home") or (f"{home}/.cache/huggingface" if home else None)
    banner = "\n".join(sections["banner"])
    return BoxReport(
        hostname=system.get("hostname") or "?",
        user=system.get("user") or None,
        os=release.get("PRETTY_NAME", system.get("system", "")).strip('"') or None,
        kernel=system.get("kernel") or None,
        architecture=system.get("architecture") or None,
        cpus=whole(system.get("cpus")),
        memory_total_bytes=_kib(system.get("memory_kib")),
        is_container=bool([line for line in sections["container"] if line]),
        driver_version=nvidia_smi.parse_driver_version(banner),
        cuda_version=nvidia_smi.parse_cuda_version(banner),
        gpus=gpus,
        disks=tuple(filter(None, map(_disk, sections["disks"]))),
        cached=tuple(filter(None, map(_cached, sections["cached"]))),
        home=home,
        cache_dir=f"{hf_home}/hub" if hf_home else None,
        listening_ports=_ports(sections["ports"]),
    )


def _with_processes(gpus: tuple[Gpu, ...], apps: tuple[GpuProcess, ...]) -> tuple[Gpu, ...]:
    return tuple(
        msgspec.structs.replace(
            gpu, processes=tuple(app for app in apps if app.gpu_uuid in (None, gpu.uuid))
        )
        for gpu in gpus
    )


def _cached(line: str) -> CachedModel | None:
    """`models--openai--gpt-oss-20b 13439712`, as the hub's cache names its folders."""
    name, _, size = line.strip().partition(" ")
    kept = _kib(size)
    if kept is None or not name.startswith("models--"):
        return None
    return CachedModel(model=name.removeprefix("models--").replace("--", "/", 1), bytes=kept)


def _disk(line: str) -> Disk | None:
    parts = line.split(maxsplit=3)
    if len(parts) < 4:
        return None
    role, total, free, path = parts
    return Disk(role=role, path=path, total_bytes=_kib(total), free_bytes=_kib(free))


def _ports(lines: list[str]) -> tuple[int, ...]:
    """Listening TCP ports from `ss` ("127.0.0.1:22") or /proc/net/tcp ("hex:0100007F:0016")."""
    ports: set[int] = set()
    for line in lines:
        last = line.strip().rpartition(":")[2]
        try:
            ports.add(int(last, 16 if line.startswith("hex:") else 10))
        except ValueError:
            continue
    return tuple(sorted(ports))


def _server(line: str) -> Server | None:
    parts = line.split(maxsplit=2)
    pid = whole(parts[0]) if parts else None
    if len(parts) < 3 or pid is None:
        return None
    return Server(pid=pid, user=parts[1], command=tuple(parts[2].split()))


def _kib(text: str | None) -> int | None:
    value = whole(text)
    return None if value is None else value * 1024
