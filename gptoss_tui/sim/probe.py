"""What `gptoss-probe` prints on the simulated box."""

from __future__ import annotations

from gptoss_tui.domain.parse.nvidia_smi import HEALTH_FIELDS
from gptoss_tui.sim import nvidia
from gptoss_tui.sim.profile import docker_root
from gptoss_tui.sim.world import OLD_DRIVER, World

_MISMATCH = (
    "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 590.48\n"
)
_DAY_S = 86_400
_NO_DNS = "curl: (6) Could not resolve host: {host}\n@http 000 0.004\n@status 6"

_DMI = {
    "aws": "sys_vendor=Amazon EC2\nproduct_name=p5.48xlarge\nbios_version=1.0",
    "gcp": "sys_vendor=Google\nproduct_name=Google Compute Engine\nbios_version=Google",
    "azure": "sys_vendor=Microsoft Corporation\nproduct_name=Virtual Machine\n"
    "chassis_asset_tag=7783-7084-3265-9085-8269-3286-77",
}


def probe(world: World, fields: str) -> str:
    """The sections of the probe script, from the world's state."""
    sections = {
        "system": _system(world),
        "os": 'PRETTY_NAME="Ubuntu 24.04.2 LTS"\nID=ubuntu\nVERSION_ID="24.04"',
        "container": "containerenv\nrunpod" if world.profile.is_container else "",
        "shm": "65536" if world.profile.has("shm_small") else "528480800",
        "dmi": _DMI.get(world.profile.cloud or "", "sys_vendor=Supermicro"),
        "hardware": _hardware(world),
        "kernel_log": _kernel_log(world),
        **_gpus(world, fields),
        "docker": _docker(world),
        "runtime": _runtime(world),
        "disks": _disks(world),
        "inodes": "docker 122880000 61440" if world.profile.has("inodes_full") else "",
        "cached": _cached(world),
        "ports": "\n".join(['0.0.0.0:22 users:(("sshd",pid=812,fd=3))', *_ports(world)]),
        "reach_registry": _reach(world, "registry-1.docker.io", 401),
        "reach_hub": _reach(world, "huggingface.co", 200),
        "servers": _servers(world),
        "end": "",
    }
    return "".join(f"\n@@{name}\n{text}\n" for name, text in sections.items())


def _system(world: World) -> str:
    tools = "sudo docker" if world.profile.has("no_tools") else (
        "curl python3 setsid timeout tar sudo docker apt-get"
    )  # fmt: skip
    pairs = {
        "time": str(
            int(world.clock.now().timestamp()) - (_DAY_S if world.profile.has("clock_off") else 0)
        ),
        "hostname": world.profile.hostname,
        "user": "root",
        "uid": "0",
        "home": "/root",
        "kernel": "6.8.0-51-generic",
        "system": "Linux",
        "architecture": "x86_64",
        "cpus": str(26 * len(world.profile.cards)),
        "cpu_model": "Intel(R) Xeon(R) Platinum 8480+",
        "memory_kib": str(230 * 1024**2 * len(world.profile.cards)),
        "memory_available_kib": str(222 * 1024**2 * len(world.profile.cards)),
        "uptime": "777600.25",
        "hf_home": "",
        "hub": "/root/.cache/huggingface/hub",
        "tools": tools,
    }
    if world.profile.has("home_denied"):
        pairs["state_denied"] = "/root/.local/state"
    return "\n".join(f"{key}={value}" for key, value in pairs.items())


def _hardware(world: World) -> str:
    """The cards, and whose driver has them."""
    profile = world.profile
    if profile.has("no_gpu"):
        return ""
    driver = "nouveau" if profile.has("nouveau") else "nvidia"
    lines = [f"card=0000:{number + 1:02x}:00.0 {driver}" for number in range(len(profile.cards))]
    lines.append(f"module={driver} ")
    if driver == "nvidia":
        module = f"NVIDIA UNIX x86_64 Kernel Module  {world.driver}  Wed Jan  8 2026"
        lines.append(f"kernel_module={module}")
    return "\n".join(["pci=yes", *lines])


def _kernel_log(world: World) -> str:
    lines = ["@first [    0.000000] Linux version 6.8.0-51-generic"]
    if world.profile.has("gpu_xid"):
        lines.append(
            "[776400.104217] NVRM: Xid (PCI:0000:01:00): 48, pid=91357, name=VLLM::EngineCor, "
            "DBE (double bit error) ECC Error"
        )
    return "\n".join(lines)


def _gpus(world: World, fields: str) -> dict[str, str]:
    """What nvidia-smi says to each question; nothing where it is not installed."""
    profile = world.profile
    if profile.has("nouveau"):
        return {}
    if profile.has("gpu_hung"):
        return {"gpus": f"@fields {fields}", "health": "", "apps": "", "owners": "", "banner": ""}
    gpus, status = nvidia.answer(world, [f"--query-gpu={fields}", "--format=csv,noheader,nounits"])
    apps, _ = nvidia.answer(world, ["--query-compute-apps=x", "--format=csv,noheader,nounits"])
    banner, _ = nvidia.answer(world, [])
    if profile.has("driver_mismatch"):
        gpus, status, apps, banner = _MISMATCH, 18, "", _MISMATCH
    broken = profile.has("no_gpu") or profile.has("driver_mismatch")
    return {
        "gpus": f"{gpus}@status {status}",
        "health": gpus if broken else _health(world),
        "apps": "" if broken else apps,
        "owners": "" if broken else _owners(world, apps),
        "banner": banner,
    }


def _health(world: World) -> str:
    """The answer to HEALTH_FIELDS: this driver knows all of them."""
    slowed = "0x0000000000000044" if world.profile.has("gpu_hot") else "0x0000000000000000"
    errors = "2" if world.profile.has("gpu_xid") else "0"
    lines = [f"@fields {','.join(HEALTH_FIELDS)}"]
    for gpu in world.gpus():
        heat = 93 if world.profile.has("gpu_hot") else gpu.gpu_temp_c
        lines.append(
            f"{gpu.index}, {world.driver}, Enabled, Default, {heat}, Enabled, {errors}, "
            f"[N/A], No, No, {slowed}, {slowed}"
        )
    return "\n".join([*lines, "@status 0"])


def _owners(world: World, apps: str) -> str:
    """Who is on the GPUs, with the container of those that are in one."""
    containers = {str(pid): key for key, pid in nvidia.pids(world).items()}
    seen = dict.fromkeys(line.split(", ")[1] for line in apps.splitlines())
    return "\n".join(
        f"{pid} {'mallory' if pid == '48211' else 'root'} {containers.get(pid, '')}" for pid in seen
    )


def _docker(world: World) -> str:
    profile = world.profile
    if profile.has("no_docker") or profile.is_container:
        return "sudo=yes"
    if profile.has("podman_only"):
        return "sudo=yes\npodman=podman version 5.4.2"
    if profile.has("podman"):
        return "podman_socket=/run/podman/podman.sock\nsudo=yes\npodman=podman version 5.4.2"
    if profile.has("docker_down"):
        return "cli=yes\ndaemon=yes\nservice=inactive\nsudo=yes"
    if profile.has("docker_denied"):
        return "denied=/var/run/docker.sock\ncli=yes\ndaemon=yes\nservice=active\nsudo=password"
    said = "socket=/var/run/docker.sock\ncli=yes\ndaemon=yes\nservice=active\nsudo=yes"
    return f"snap=yes\n{said}" if profile.has("docker_snap") else said


def _runtime(world: World) -> str:
    profile = world.profile
    if profile.has("toolkit_gone"):
        return "configured=yes"
    if profile.faults & {"no_toolkit", "no_docker", "docker_snap"} or profile.is_container:
        return ""
    tools = ("nvidia-ctk", "nvidia-container-runtime", "nvidia-container-runtime-hook")
    lines = [
        *(f"{tool}=yes" for tool in tools),
        "version=NVIDIA Container Toolkit CLI version 1.20.0",
    ]
    told = "cdi=/etc/cdi/nvidia.yaml" if profile.has("podman") else "configured=yes"
    if profile.has("cdi_stale"):
        told += f"\ncdi=/etc/cdi/nvidia.yaml\ncdi_driver={OLD_DRIVER}"
    return "\n".join(lines if profile.lacks_runtime else [*lines, told])


def _disks(world: World) -> str:
    if world.profile.has("disk_full"):
        return (
            "docker 1843200000 1498000000 /var/lib/docker\n"
            "weights 209715200 9437184 /root/.cache/huggingface/hub"
        )
    return (
        f"docker 1843200000 1498000000 {docker_root(world.profile)}\n"
        "weights 1843200000 1498000000 /root/.cache/huggingface/hub"
    )


def _cached(world: World) -> str:
    held = world.cached_gib().items()
    lines = [f"models--openai--gpt-oss-{size} {int(gib * 1024**2)}" for size, gib in held]
    loose = sum(world.litter.values())
    return "\n".join([*lines, f"incomplete {loose}"] if loose else lines)


def _ports(world: World) -> list[str]:
    ports = {c.binding[1] for c in world.containers.values() if c.binding and c.state == "running"}
    lines = [f'127.0.0.1:{port} users:(("docker-proxy",pid=9,fd=4))' for port in sorted(ports)]
    if world.profile.has("port_taken"):
        lines.append('127.0.0.1:8000 users:(("jupyter-lab",pid=2210,fd=6))')
    return lines


def _reach(world: World, host: str, status: int) -> str:
    if world.profile.has("no_network"):
        return _NO_DNS.format(host=host)
    return f"@http {status} 0.183\n@status 0"


def _servers(world: World) -> str:
    """A rented pod runs its server as a plain process."""
    if not world.profile.is_container:
        return ""
    return "  412 root python3 /usr/local/bin/vllm serve openai/gpt-oss-20b --port 8000"
