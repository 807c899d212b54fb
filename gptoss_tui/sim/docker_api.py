"""The Docker Engine API of the simulated box: what the app asks for, and what a person tries."""

from __future__ import annotations

import asyncio
import io
import json
import re
import tarfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from gptoss_tui.sim import pull
from gptoss_tui.sim.container import Container
from gptoss_tui.sim.http import Request, Response, json_response
from gptoss_tui.sim.profile import docker_root
from gptoss_tui.sim.world import World

# What the images start by themselves.
_PROGRAMS = {"vllm": ("vllm", "serve"), "ollama": ("/bin/ollama",)}
API = (1, 47)
VERSION = "27.3.1"
PODMAN = "5.4.2"


class DockerApi:
    """`handle` answers one request. Errors are worded as Docker words them."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle(self, request: Request) -> Response:
        match = re.match(r"^/v(\d+)\.(\d+)(/.*)$", request.path)
        path = match[3] if match else request.path
        if match and (int(match[1]), int(match[2])) > API:
            return _error(
                400,
                f"client version {match[1]}.{match[2]} is too new. "
                f"Maximum supported API version is {API[0]}.{API[1]}",
            )
        if path.startswith("/containers/"):
            return await self._containers(request, path)
        if path.startswith("/images/"):
            return self._images(request, path)
        if path == "/_ping":
            return Response(body=b"OK", content_type="text/plain")
        simple = {"/version": self._version, "/info": self._info}
        if path in simple:
            return json_response(simple[path]())
        return _error(404, "page not found")

    def _version(self) -> dict[str, Any]:
        podman = self._world.profile.has("podman")
        version, engine = (PODMAN, "Podman Engine") if podman else (VERSION, "Engine")
        return {
            "Components": [{"Name": engine, "Version": version}],
            "Version": version,
            "ApiVersion": "1.41" if podman else f"{API[0]}.{API[1]}",
            "MinAPIVersion": "1.24",
            "Os": "linux",
            "Arch": "amd64",
            "KernelVersion": "6.8.0-51-generic",
        }

    def _info(self) -> dict[str, Any]:
        profile = self._world.profile
        return {
            "Runtimes": {"io.containerd.runc.v2": {}, "runc": {}}
            | ({} if profile.lacks_runtime or profile.has("podman") else {"nvidia": {}}),
            "DockerRootDir": docker_root(profile),
            "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"],
            "DiscoveredDevices": [
                {"Source": "cdi", "ID": f"nvidia.com/gpu={gpu.uuid}"}
                for gpu in self._world.gpus()
                if profile.has("cdi_stale")
            ],
            "IPv4Forwarding": not profile.has("no_forwarding"),
            "SecurityOptions": [
                "name=seccomp,profile=builtin",
                *(["name=selinux"] if profile.has("selinux") else []),
                "name=cgroupns",
            ],
            "Containers": len(self._world.containers),
            "Images": len(self._world.images),
            "ServerVersion": VERSION,
        }

    # --- images ---------------------------------------------------------------------------------

    def _images(self, request: Request, path: str) -> Response:
        if path == "/images/create" and request.method == "POST":
            return self._pull(request)
        if path == "/images/load":
            return self._load(request)
        if path == "/images/json":
            return json_response([{"RepoTags": [image]} for image in sorted(self._world.images)])
        name = path.removeprefix("/images/").removesuffix("/json")
        if name in self._world.images:
            return json_response({"Id": "sha256:5f0c", "RepoTags": [name], "Size": 26 * 1024**3})
        return _error(404, f"No such image: {name}")

    def _pull(self, request: Request) -> Response:
        repository = request.query.get("fromImage", "")
        tag = request.query.get("tag", "latest")
        if refusal := pull.refusal(self._world, repository, tag):
            return _error(500 if self._world.profile.has("no_network") else 404, refusal)
        return Response(body=pull.pull(self._world, repository, tag))

    def _load(self, request: Request) -> Response:
        """The images that an archive of `docker save` names."""
        try:
            manifest = msgspec.json.decode(unpacked(request.body)["manifest.json"])
            tags = [str(tag) for image in manifest for tag in image["RepoTags"] or ()]
        except (tarfile.TarError, KeyError, TypeError, msgspec.DecodeError) as error:
            return _error(500, f"invalid archive: {error}")
        self._world.images.update(tags)
        lines = (json.dumps({"stream": f"Loaded image: {tag}\n"}) for tag in tags)
        return Response(body="\n".join(lines).encode())

    # --- containers -----------------------------------------------------------------------------

    async def _containers(self, request: Request, path: str) -> Response:
        if path == "/containers/json":
            return self._list(request)
        if path == "/containers/create":
            return self._create(request)
        _, _, key, *rest = path.split("/")
        container = self._world.find(key)
        if container is None:
            return _error(404, f"No such container: {key}")
        if request.method == "DELETE":
            self._world.remove(container)
            return Response(204)
        return await self._act(container, rest[0] if rest else "", request)

    async def _act(self, container: Container, action: str, request: Request) -> Response:
        if action == "json":
            return json_response(inspect(container))
        if action == "logs":
            return Response(
                body=_logs(container, request.query),
                content_type="application/vnd.docker.raw-stream",
            )
        if action == "start":
            return self._start(container)
        if action == "archive" and request.method == "GET":
            return _packed(container, request.query.get("path", "").lstrip("/"))
        if action == "archive":
            container.files.update(unpacked(request.body))
            return json_response({})
        if action == "update":
            policy = (request.json() or {}).get("RestartPolicy") or {}
            container.restart_policy = str(policy.get("Name", "no"))
            return json_response({"Warnings": None})
        if action == "kill":
            self._world.stop(container)
            return Response(204)
        if action in ("stop", "restart"):
            if action == "stop" and container.state != "running":
                return Response(304)
            # As with Docker, it goes on when whoever asked for it is gone.
            ending = self._end(container, float(request.query.get("t", "10")), action)
            await asyncio.shield(self._world.spawn(ending, f"sim {action} {container.name}"))
            return Response(204)
        return _error(404, "page not found")

    async def _end(self, container: Container, grace_s: float, action: str) -> None:
        if container.state == "running":
            await self._world.stop_by_signal(container, grace_s)
        if action == "restart":
            self._world.start(container)

    def _list(self, request: Request) -> Response:
        everything = request.query.get("all") in ("1", "true")
        wanted = _label_filter(request.query.get("filters"))
        found = [
            _summary(container, self._world.clock.now())
            for container in self._world.containers.values()
            if (everything or container.state == "running") and wanted <= set(container.labels)
        ]
        return json_response(found)

    def _create(self, request: Request) -> Response:
        body = request.json() or {}
        image, name = str(body.get("Image", "")), request.query.get("name", "unnamed")
        if image not in self._world.images:
            return _error(404, f"No such image: {image}")
        other = self._world.find(name)
        if other is not None:
            return _error(
                409,
                f'Conflict. The container name "/{name}" is already in use by container '
                f'"{other.id}". You have to remove (or rename) that container to be able to '
                "reuse that name.",
            )
        container = self._world.create(name, body)
        return json_response({"Id": container.id, "Warnings": []}, 201)

    def _start(self, container: Container) -> Response:
        if container.state == "running":
            return Response(304)
        binding = container.binding
        if binding and self._world.port_in_use(binding[1]):
            return _error(
                500,
                "driver failed programming external connectivity on endpoint "
                f"{container.name}: Bind for {binding[0]}:{binding[1]} failed: "
                "port is already allocated",
            )
        self._world.start(container)
        return Response(204)


def inspect(container: Container) -> dict[str, Any]:
    """What `GET /containers/{id}/json` shows: the body as it was sent, and the state."""
    body = container.body
    return {
        "Id": container.id,
        "Name": f"/{container.name}",
        "Created": _stamp(container.created),
        "State": {
            "Status": container.state,
            "Running": container.state == "running",
            "ExitCode": container.exit_code,
            "StartedAt": _stamp(container.started),
            "FinishedAt": _stamp(container.finished),
        },
        "Config": {key: body.get(key) for key in ("Image", "Cmd", "Env", "Labels", "Entrypoint")}
        | {"Tty": False},
        "HostConfig": dict(body.get("HostConfig") or {})
        | {"RestartPolicy": {"Name": container.restart_policy}},
    }


def _summary(container: Container, now: datetime) -> dict[str, Any]:
    binding = container.binding
    inner = int(next(iter(container.body.get("ExposedPorts") or {}), "8000/tcp").partition("/")[0])
    ports = [{"PrivatePort": inner, "Type": "tcp"}]
    if binding and container.state == "running":
        ports = [{"IP": binding[0], "PrivatePort": inner, "PublicPort": binding[1], "Type": "tcp"}]
    up = int((now - (container.started or now)).total_seconds())
    status = {"running": f"Up {up} seconds", "created": "Created"}.get(
        container.state, f"Exited ({container.exit_code}) {up} seconds ago"
    )
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.body.get("Image"),
        "Command": " ".join([*_PROGRAMS.get(container.kind, ()), *container.arguments]),
        "Created": int(container.created.timestamp()),
        "State": container.state,
        "Status": status,
        "Labels": container.labels,
        "Ports": ports,
    }


PART = 16 * 1024  # what the Engine stores at once of a long line


async def _logs(container: Container, query: dict[str, str]) -> AsyncIterator[bytes]:
    """Multiplexed frames of 8 bytes head and body, with stamps where they are asked for."""
    since = _nanoseconds(query.get("since") or "0")
    tail = query.get("tail", "all")
    begin = max(0, len(container.log) - int(tail)) if tail.isdigit() else 0
    at = begin
    while True:
        while at < len(container.log):
            when, text = container.log[at]
            at += 1
            if round(when.timestamp() * 1e6) * 1000 >= since:
                stamp = f"{_stamp(when)} " if query.get("timestamps") == "1" else ""
                line = text.encode("utf-8", "surrogateescape") + b"\n"
                for begin in range(0, len(line), PART):  # all parts have the stamp of the first
                    raw = stamp.encode() + line[begin : begin + PART]
                    yield b"\x02\0\0\0" + len(raw).to_bytes(4, "big") + raw
        if query.get("follow") != "1" or container.state != "running":
            return
        grown = container.grown
        if at == len(container.log):
            await asyncio.wait_for(grown.wait(), None)


def _nanoseconds(text: str) -> int:
    seconds, _, rest = text.partition(".")
    return int(seconds) * 1_000_000_000 + int(rest[:9].ljust(9, "0"))


def _label_filter(filters: str | None) -> set[str]:
    if not filters:
        return set()
    wanted = msgspec.json.decode(filters, type=dict[str, list[str]]).get("label", [])
    return {label.partition("=")[0] for label in wanted}


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The files of a tar. Raises `tarfile.TarError`."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name: file.read()
            for member in tar.getmembers()
            if (file := tar.extractfile(member)) is not None
        }


def _packed(container: Container, path: str) -> Response:
    """A file out of a container, as a tar with its last name."""
    if path not in container.files:
        return _error(404, f"Could not find the file /{path} in container {container.name}")
    buffer, content = io.BytesIO(), container.files[path]
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(path.rpartition("/")[2])
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return Response(body=buffer.getvalue(), content_type="application/x-tar")


def _stamp(when: datetime | None) -> str:
    if when is None:
        return "0001-01-01T00:00:00Z"
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def _error(status: int, message: str) -> Response:
    return json_response({"message": message}, status)
