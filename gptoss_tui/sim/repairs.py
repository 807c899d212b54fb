"""Repairs on the simulated box: they tell what the scripts would, and change what is wrong with it.

It stands for `remote/scripts/repair*.sh`; the tests with real parts hold the scripts themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from gptoss_tui.domain.launch import LABEL_SPEC
from gptoss_tui.sim.world import World

CACHE = "/root/.cache/huggingface/hub"
PASSWORD_FAULTS = frozenset({"docker_denied"})  # whose user sudo asks for a password
_MIRROR = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64"


@dataclass
class Run:
    """A repair that was begun: its log as bytes, and whether it still runs."""

    mark: str
    log: bytearray = field(default_factory=bytearray)
    alive: bool = True


def survey(world: World) -> str:
    """What `gptoss-repair-survey` prints."""
    lines = [f"cache {CACHE}"]
    for size, gib in world.cached_gib().items():
        lines.append(f"model {int(gib * 1024**2)} {CACHE}/models--openai--gpt-oss-{size}")
    for path, kib in world.litter.items():
        lines.append(f"incomplete {kib} {path}")
    return "\n".join([*lines, ""])


def start(world: World, words: list[str], password: str) -> str:
    """What `gptoss-repair` prints. Words: name, how, mark, runner, script."""
    name, how, mark = words[:3]
    running = world.repairs.get(name)
    if running is not None and running.alive:
        return f"joined {running.mark}\n"
    if how == "root" and world.profile.faults & PASSWORD_FAULTS:
        return "refused sudo: a password is required\n"
    if how == "password" and not password.strip():
        return "refused sudo: no password was provided\n"
    run = world.repairs[name] = Run(mark)
    run.log += f"@{mark} began\n".encode()
    world.spawn(_carry_out(world, name, run), f"sim repair {name}")
    return f"ok {mark}\n"


async def log(world: World, name: str) -> AsyncIterator[bytes]:
    """What `gptoss-repair-log` prints, as it comes."""
    run, at = world.repairs.get(name), 0
    while run is not None:
        if at < len(run.log):
            piece = bytes(run.log[at:])
            at += len(piece)
            yield piece
        elif run.alive:
            await world.change()
        else:
            return


async def _carry_out(world: World, name: str, run: Run) -> None:
    try:
        for seconds, text in _SAYS.get(name, ()):
            await world.clock.sleep(seconds)
            _say(world, run, text)
        for text in _DOES[name](world):
            _say(world, run, text)
        _say(world, run, f"@{run.mark} end 0")
    finally:
        run.alive = False
        world.changed()


def _say(world: World, run: Run, text: str) -> None:
    run.log += f"{text}\n".encode()
    world.changed()


# --- what each says on the way (seconds before it, the line), and what it changes -----------------

_SAYS: dict[str, tuple[tuple[float, str], ...]] = {
    "toolkit": (
        (0.8, f"Get:1 {_MIRROR}  InRelease [1477 B]"),
        (0.6, f"Get:2 {_MIRROR}  Packages [26.3 kB]"),
        (0.5, "Reading package lists..."),
        (0.4, "The following NEW packages will be installed:"),
        (0.1, "  libnvidia-container-tools libnvidia-container1 nvidia-container-toolkit"),
        (0.0, "  nvidia-container-toolkit-base"),
        (1.5, "Setting up nvidia-container-toolkit (1.20.0-1) ..."),
        (0.5, 'INFO[0000] Wrote updated config to /etc/docker/daemon.json'),
    ),
    "runtime": ((0.5, "INFO[0000] Wrote updated config to /etc/docker/daemon.json"),),
    "docker-start": ((1.5, "Docker Engine 27.3.1 runs."),),
    "docker-group": ((0.4, "The user is in the group docker from the next login on."),),
}  # fmt: skip


def _runtime(world: World) -> list[str]:
    """Docker restarts; what has a restart policy comes back, and loads anew."""
    lines = ["Docker restarts now. What runs in it:"]
    for container in [each for each in world.containers.values() if each.state == "running"]:
        lines.append(f"  {container.name} ({container.body.get('Image')})")
        world.stop(container, 137)
        if container.restart_policy not in ("", "no"):
            world.start(container)
    mend(world, "no_toolkit", "no_runtime", "toolkit_gone", "cdi_stale")
    lines.append("Validating in a container of ubuntu:latest:")
    for gpu in world.gpus():
        lines.append(f"GPU {gpu.index}: {gpu.card.name} (UUID: {gpu.uuid})")
    return lines


def _started(world: World) -> list[str]:
    mend(world, "docker_down")
    return []


def _joined(world: World) -> list[str]:
    """A group counts from the next login on."""
    world.on_login.append(lambda: mend(world, "docker_denied"))
    return []


def _dropped(world: World) -> list[str]:
    stale = [
        each
        for each in world.containers.values()
        if each.state in ("exited", "dead") and LABEL_SPEC in each.labels
    ]
    for container in stale:
        world.remove(container)
    return [f"removed {container.name}" for container in stale]


def _cleaned(world: World) -> list[str]:
    gone = [f"deleted: {path.removeprefix(CACHE + '/')}" for path in world.litter]
    world.litter.clear()
    mend(world, "disk_full")
    return gone


def mend(world: World, *faults: str) -> None:
    """These are wrong with the box no longer."""
    world.profile = replace(world.profile, faults=world.profile.faults - set(faults))
    world.changed()


_DOES: dict[str, Callable[[World], list[str]]] = {
    "toolkit": _runtime,
    "runtime": _runtime,
    "docker-start": _started,
    "docker-group": _joined,
    "stale-containers": _dropped,
    "hf-cache": _cleaned,
}
