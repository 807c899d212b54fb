"""What `gptoss-probe` prints on the simulated box."""

from __future__ import annotations

from gptoss_tui.sim import nvidia
from gptoss_tui.sim.world import World


def probe(world: World, fields: str) -> str:
    """The sections of the probe script, from the world's state."""
    profile = world.profile
    gpus, status = nvidia.answer(world, [f"--query-gpu={fields}", "--format=csv,noheader,nounits"])
    apps, _ = nvidia.answer(world, ["--query-compute-apps=x", "--format=csv,noheader,nounits"])
    banner, _ = nvidia.answer(world, [])
    sections = {
        "system": _system(world),
        "os": 'PRETTY_NAME="Ubuntu 24.04.2 LTS"\nID=ubuntu\nVERSION_ID="24.04"',
        "container": "containerenv\nrunpod" if profile.is_container else "",
        "gpus": gpus,
        "gpus_status": str(status),
        "apps": "" if profile.has("no_gpu") else apps,
        "banner": banner,
        "docker": _docker(world),
        "disks": "docker 1843200000 1498000000 /var/lib/docker\n"
        "weights 1843200000 1498000000 /root/.cache/huggingface",
        "cached": _cached(world),
        "shm": "528480800",
        "ports": "\n".join(["0.0.0.0:22", *_ports(world)]),
        "servers": _servers(world),
        "end": "",
    }
    return "".join(f"\n@@{name}\n{text}\n" for name, text in sections.items())


def _system(world: World) -> str:
    pairs = {
        "time": str(int(world.clock.now().timestamp())),
        "hostname": world.profile.hostname,
        "user": "root",
        "uid": "0",
        "home": "/root",
        "kernel": "6.8.0-51-generic",
        "system": "Linux",
        "architecture": "x86_64",
        "cpus": str(26 * len(world.profile.cards)),
        "memory_kib": str(230 * 1024**2 * len(world.profile.cards)),
        "hf_home": "",
        "tools": "curl python3 setsid timeout tar sudo docker",
    }
    return "\n".join(f"{key}={value}" for key, value in pairs.items())


def _docker(world: World) -> str:
    if world.profile.has("no_docker") or world.profile.is_container:
        return ""
    if world.profile.has("docker_denied"):
        return "denied=/var/run/docker.sock\ncli=yes"
    return "socket=/var/run/docker.sock\ncli=yes\nsudo=yes\nnvidia_runtime=yes\nnvidia_ctk=yes"


def _cached(world: World) -> str:
    found = {size: gib for size, gib in world.disk_used_gib.items() if gib}
    if world.profile.weights_cached:
        found |= {"20b": 12.82, "120b": 60.77}
    return "\n".join(
        f"models--openai--gpt-oss-{size} {int(gib * 1024**2)}" for size, gib in found.items()
    )


def _ports(world: World) -> list[str]:
    ports = {c.binding[1] for c in world.containers.values() if c.binding and c.state == "running"}
    if world.profile.has("port_taken"):
        ports.add(8000)
    return [f"127.0.0.1:{port}" for port in sorted(ports)]


def _servers(world: World) -> str:
    """A rented pod runs its server as a plain process."""
    if not world.profile.is_container:
        return ""
    return "  412 root python3 /usr/local/bin/vllm serve openai/gpt-oss-20b --port 8000"
