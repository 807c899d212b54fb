"""The launch helper of the simulated box: the same log, the same order, without a shell.

It stands for `remote/scripts/helper.sh`; the tests with real parts hold the script itself.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import shlex
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from gptoss_tui.sim import pull
from gptoss_tui.sim.container import Container, size_of
from gptoss_tui.sim.docker_api import DockerApi, unpacked
from gptoss_tui.sim.first_answer import CALLS, STEPS, called
from gptoss_tui.sim.http import Request
from gptoss_tui.sim.world import World

_TOLD = 8  # of so many the server's log is told
FOLDER = "/root/.local/state/gptoss-tui/launches"


@dataclass
class Launch:
    """A launch's folder: its log as bytes, and whether its helper still runs."""

    id: str
    variables: dict[str, str]
    body: bytes
    secrets: bytes | None
    log: bytearray = field(default_factory=bytearray)
    alive: bool = True
    step: str = "reserve"
    weighed: float | None = None
    calls: dict[str, bytes] = field(default_factory=dict)
    server_log: bytes = b""
    container: Container | None = None
    old: Container | None = None
    task: asyncio.Task[None] | None = None


class _Failed(Exception):
    pass


def start(world: World, launch_id: str, archive: bytes) -> str:
    """What `gptoss-launch` prints: "ok", "conflict …" or "error …"."""
    try:
        files = unpacked(archive)
        variables = _variables(files["vars"].decode(errors="replace"))
        body = files["create.json"]
    except (KeyError, tarfile.TarError, ValueError) as error:
        return f"error cannot unpack the launch: {error}"
    if launch_id in world.launches:
        return f"error launch {launch_id} is already there"
    launch = Launch(launch_id, variables, body, files.get("secrets.tar"))
    launch.calls = {name: files[f"{name}.json"] for name in CALLS if f"{name}.json" in files}
    taken = _conflict(world, variables)
    world.launches[launch_id] = launch
    _say(world, launch, f"begin {variables.get('begin', '{}')}")
    _say(world, launch, "reserve")
    why = taken or _no_docker(world)
    if why:
        launch.alive = False
        _say(world, launch, f"failed reserve {why}")
        return f"{'conflict' if taken else 'error'} {why}"
    launch.task = world.spawn(_carry(world, launch), f"sim launch {launch_id}")
    return "ok"


def _variables(text: str) -> dict[str, str]:
    return {
        name: "".join(shlex.split(value))
        for name, _, value in (line.partition("=") for line in text.splitlines())
        if name
    }


def _conflict(world: World, variables: dict[str, str]) -> str:
    claims = set(variables.get("claim_keys", "").split())
    for other in world.launches.values():
        shared = claims & set(other.variables.get("claim_keys", "").split())
        if other.alive and shared:
            return f"root is launching {other.id} with {min(shared)}"
    for container in world.containers.values():
        held = {f"gpu-{gpu}" for gpu in container.gpu_ids}
        if container.id == variables.get("replaces"):
            continue
        if container.state == "running" and claims & held:
            return f"a running server has {min(claims & held)}"
    return ""


def _no_docker(world: World) -> str:
    profile = world.profile
    if profile.lacks_docker:
        said = "Couldn't connect to server"
    elif profile.has("docker_denied"):
        said = "sudo: a password is required"
    else:
        return ""
    return f"Docker does not answer on /var/run/docker.sock: {said}"


def _say(world: World, launch: Launch, text: str) -> None:
    launch.log += f"@{int(world.clock.now().timestamp())} {text}\n".encode()
    world.changed()


async def _carry(world: World, launch: Launch) -> None:
    try:
        await _steps(world, launch)
    except _Failed as failure:
        if launch.step != "wait" and launch.container is not None:
            world.remove(launch.container)
        _restore(world, launch)
        _say(world, launch, f"failed {failure}")
    except asyncio.CancelledError:
        if launch.container is not None:
            world.remove(launch.container)
        _restore(world, launch)
        if left := _remains(world, launch):
            _say(world, launch, f"left {left}")
        _say(world, launch, "cancelled")
    finally:
        launch.alive = False
        _say(world, launch, "end")


def _remains(world: World, launch: Launch) -> str:
    """What a cancelled launch leaves: of a broken-off pull, Podman keeps what Docker drops."""
    image, cache = launch.variables.get("image"), launch.variables.get("cache_dir")
    if launch.step == "pull":
        kept = world.profile.has("podman") and b'"Pull complete"' in launch.log
        return "the layers of the image that were complete: the next pull takes them up" * kept
    if launch.step in ("replace", "create"):
        return f"the image {image}"
    if launch.step in ("start", "wait"):
        return f"the image {image}" + (f" and what was downloaded to {cache}" if cache else "")
    return ""


async def _steps(world: World, launch: Launch) -> None:
    docker = DockerApi(world)
    await _image(world, launch)
    await _take_over(world, launch)
    launch.step = "create"
    _say(world, launch, "create")
    name = launch.variables["name"]
    created = await _post(docker, "create", "/containers/create", name, launch.body)
    container = world.find(str(json.loads(created)["Id"]))
    assert container is not None
    launch.container, container.is_upgrade = container, launch.old is not None
    if launch.secrets:
        container.files.update(unpacked(launch.secrets))
        launch.secrets = None
    elif launch.old is not None:
        container.files.update(launch.old.files)
    _say(world, launch, f"created {container.id}")
    launch.step = "start"
    _say(world, launch, "start")
    await _post(docker, "start", f"/containers/{container.id}/start")
    _say(world, launch, "started")
    launch.step = "wait"
    _say(world, launch, "wait")
    while not container.healthy:
        if container.state != "running":
            if launch.old is not None:
                container.name = name = f"{name}-{launch.id}"
                _restore(world, launch)
            await _keep_log(docker, launch, container)
            _say(world, launch, f"left the stopped container {name}: its log says why")
            raise _Failed(f"wait exited {container.exit_code}")
        _weigh(world, launch, container)
        await world.change()
    await _first_answer(docker, world, launch, container)
    await _keep_log(docker, launch, container)
    if launch.variables.get("restart") == "1":
        container.restart_policy = "unless-stopped"
    if launch.old is not None:
        world.remove(launch.old)
        launch.old = None
    _say(world, launch, "ready")


async def _take_over(world: World, launch: Launch) -> None:
    """What `replace.sh` does: the old container makes room, and waits for the outcome."""
    old = world.find(launch.variables["replaces"]) if launch.variables.get("replaces") else None
    if old is None:
        return
    launch.step, launch.old = "replace", old
    _say(world, launch, f"replace {old.id}")
    await world.stop_by_signal(old, float(launch.variables["replaces_grace"]))
    old.name = f"{launch.variables['name']}-before-{launch.id}"


def _restore(world: World, launch: Launch) -> None:
    """The old container serves again."""
    old, launch.old = launch.old, None
    if old is not None:
        world.stop(old)
        old.name = launch.variables["name"]
        world.start(old)
        _say(world, launch, f"left the server {old.name} as it was before, started again")


async def _keep_log(docker: DockerApi, launch: Launch, container: Container) -> None:
    """What the server has said until now, as the helper keeps it."""
    words = {"stdout": "1", "stderr": "1", "timestamps": "1", "tail": "2000"}
    request = Request("GET", f"/containers/{container.id}/logs", words, {}, b"")
    body = (await docker.handle(request)).body
    said = body if isinstance(body, bytes) else b"".join([part async for part in body])
    launch.server_log = gzip.compress(said)


async def _first_answer(
    docker: DockerApi, world: World, launch: Launch, container: Container
) -> None:
    """What `ready.sh` does once the server listens: fetch, load, and one token of an answer."""

    def note(line: bytes) -> None:
        launch.log += line
        world.changed()

    async def call(step: str) -> str | None:
        path = launch.variables[f"{step}_path"]
        return await called(world, container, step, path, launch.calls[step], note)

    for step in STEPS:
        if step not in launch.calls:
            continue
        _say(world, launch, step)
        before = len(launch.log)
        failure = await call(step)
        if failure is None:
            continue
        # A registry that cannot be asked is not needed where all of the model is there.
        unasked = step == "fetch" and b'"total"' not in launch.log[before:]
        if unasked and await call("model_present") is None:
            continue
        await _keep_log(docker, launch, container)
        if step == "fetch":
            world.remove(container)
        else:
            _say(
                world,
                launch,
                f"left the container {container.name}, which still runs: its log says why",
            )
        raise _Failed(f"{step} {failure}")


def _weigh(world: World, launch: Launch, container: Container) -> None:
    """How much of the model the cache holds, told when that has changed."""
    held = world.disk_used_gib.get(size_of(container.model))
    if held is not None and held != launch.weighed:
        launch.weighed = held
        _say(world, launch, f"weights {int(held * 1024**2)}")


async def _image(world: World, launch: Launch) -> None:
    image = launch.variables["image"]
    if image in world.images:
        _say(world, launch, "pull-skipped")
        return
    launch.step = "pull"
    _say(world, launch, "pull")
    repository, _, tag = image.rpartition(":")
    if refusal := pull.refusal(world, repository, tag):
        for pause in (2, 4) if world.profile.has("no_network") else ():  # as often as the helper
            _say(world, launch, f"retry {pause} {refusal}")
            await world.clock.sleep(pause)
        raise _Failed(f"pull {refusal}")
    sizes = " ".join(f"{name}:{size}" for name, size in pull.manifest(repository, tag))
    _say(world, launch, f"layers {sizes}")
    told = 0
    async for line in pull.pull(world, repository, tag):
        launch.log += line
        if told != (told := int(world.clock.now().timestamp())):
            _say(world, launch, "tick")
        world.changed()
    _say(world, launch, "pulled")


async def _post(
    docker: DockerApi, step: str, path: str, name: str = "", body: bytes = b""
) -> bytes:
    reply = await docker.handle(Request("POST", path, {"name": name}, {}, body))
    content = reply.body if isinstance(reply.body, bytes) else b""
    if reply.status >= 400:
        raise _Failed(f"{step} {json.loads(content)['message']}")
    return content


def listing(world: World, words: Sequence[str]) -> str:
    """What `gptoss-launches` prints, newest first."""
    only = words[0] if words else ""
    blocks: list[str] = []
    told = 0
    for launch in reversed(list(world.launches.values())):
        if only in ("", "--known", launch.id) or (only == "--running" and launch.alive):
            alive = "yes" if launch.alive else "no"
            kept = 0 if only == "--running" else len(launch.server_log)
            told += kept > 0
            tell = kept if told <= _TOLD else 0
            stamp = f"{launch.id}:{alive}:{len(launch.log)}"
            if {f"{stamp}:{kept}", f"{stamp}:{tell}"} & set(words):
                blocks.append(f"@@known {launch.id}\n")
                continue
            head = f"@@launch {launch.id} {alive} {len(launch.log)} {tell}\n"
            blocks.append(head + launch.log.decode(errors="replace") + "\n")
            if tell:
                blocks.append(f"@@server {base64.b64encode(launch.server_log).decode()}\n")
    return "".join(blocks)


async def cancel(world: World, launch_id: str) -> tuple[str, int]:
    """What `gptoss-cancel` prints, and its exit status."""
    launch = world.launches.get(launch_id)
    if launch is None:
        return f"error there is no launch {launch_id} here\n", 1
    if not launch.alive or launch.task is None:
        return "error that launch has already ended\n", 1
    launch.task.cancel()
    await asyncio.gather(launch.task, return_exceptions=True)
    events = [
        line for line in launch.log.decode(errors="replace").splitlines() if line.startswith("@")
    ]
    return "\n".join(events[-6:]) + "\n", 0
