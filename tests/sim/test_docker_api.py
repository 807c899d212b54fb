"""The simulated Docker Engine: versions, the pull's stream, containers, errors as Docker words them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gptoss_tui.remote import http
from gptoss_tui.remote.docker import Docker, Door
from gptoss_tui.sim.clock import ManualClock
from gptoss_tui.sim.docker_api import DockerApi
from gptoss_tui.sim.http import Request, Response, json_response
from tests.remote.support import Rig, passing, simulated, transport_of, until

SOCKET = "/var/run/docker.sock"
IMAGE = "vllm/vllm-openai:v0.32.0"


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with simulated(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def docker(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP to the Engine's socket, through the box's connection."""
    transport = transport_of(await rig.box())
    async with http.client(lambda: transport.open_unix(SOCKET), base_url="http://docker") as made:
        yield made


async def test_it_says_which_versions_it_speaks(docker: httpx.AsyncClient) -> None:
    about = (await docker.get("/version")).json()
    assert (about["ApiVersion"], about["MinAPIVersion"]) == ("1.47", "1.24")
    assert (await docker.get("/v1.47/_ping")).text == "OK"
    refused = await docker.get("/v1.99/info")
    assert refused.status_code == 400
    assert refused.json()["message"] == (
        "client version 1.99 is too new. Maximum supported API version is 1.47"
    )


@pytest.mark.parametrize(
    ("theirs", "oldest", "spoken"),
    [("1.47", "1.24", "1.47"), ("1.41", "1.12", "1.41"), ("1.55", "1.44", "1.50")],
)
async def test_the_client_agrees_on_a_version_both_speak(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, theirs: str, oldest: str, spoken: str
) -> None:
    asked: list[str] = []
    handle = DockerApi.handle

    async def other(api: DockerApi, request: Request) -> Response:
        asked.append(request.path)
        if request.path == "/version":
            return json_response({"Version": "x", "ApiVersion": theirs, "MinAPIVersion": oldest})
        return await handle(api, replace(request, path=request.path.removeprefix(f"/v{spoken}")))

    monkeypatch.setattr(DockerApi, "handle", other)
    transport = transport_of(await rig.box())
    client = await Docker.connect([Door("socket", lambda: transport.open_unix(SOCKET))])
    await client.get("/info")
    await client.aclose()
    assert client.api == spoken
    assert asked == ["/version", f"/v{spoken}/info"]


async def pulled(docker: httpx.AsyncClient, image: str, tag: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    params = {"fromImage": image, "tag": tag}
    async with docker.stream("POST", "/images/create", params=params) as reply:
        assert reply.status_code == 200
        async for line in reply.aiter_lines():
            lines.append(json.loads(line))
    return lines


async def test_a_pull_streams_as_docker_does(rig: Rig, docker: httpx.AsyncClient) -> None:
    lines = await pulled(docker, "vllm/vllm-openai", "v0.31.0")
    assert lines[0] == {"status": "Pulling from vllm/vllm-openai", "id": "v0.31.0"}
    assert lines[-2]["status"].startswith("Digest: sha256:")
    assert lines[-1]["status"] == ("Status: Downloaded newer image for vllm/vllm-openai:v0.31.0")
    seen: dict[str, list[str]] = defaultdict(list)
    for line in lines[1:-2]:
        if not seen[line["id"]] or seen[line["id"]][-1] != line["status"]:
            seen[line["id"]].append(line["status"])
    assert len(seen) == 10
    for statuses in seen.values():
        assert [status for status in statuses if status != "Waiting"] == [
            "Pulling fs layer",
            "Downloading",
            "Verifying Checksum",
            "Download complete",
            "Extracting",
            "Pull complete",
        ]
    assert "vllm/vllm-openai:v0.31.0" in rig.sim.boxes[0].world.images


async def test_the_bytes_of_each_layer_only_grow(docker: httpx.AsyncClient) -> None:
    grown: dict[tuple[str, str], int] = {}
    for line in await pulled(docker, "vllm/vllm-openai", "v0.31.0"):
        detail = line.get("progressDetail") or {}
        if detail:
            key = (line["id"], line["status"])
            assert grown.get(key, 0) < detail["current"] <= detail["total"]
            grown[key] = detail["current"]
    assert len(grown) == 20


@pytest.mark.parametrize("stays", [True, False])
async def test_a_pull_is_dropped_when_its_client_goes(tmp_path: Path, stays: bool) -> None:
    """As Docker does: that is why the launch helper stays on the box."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    params = {"fromImage": "vllm/vllm-openai", "tag": "v0.31.0"}
    async with simulated(tmp_path, clock=clock) as rig:
        transport, world = transport_of(await rig.box()), rig.sim.boxes[0].world
        docker = http.client(lambda: transport.open_unix(SOCKET), base_url="http://docker")
        async with docker, passing(clock):
            async with docker.stream("POST", "/images/create", params=params) as reply:
                async for _ in reply.aiter_lines():
                    if not stays:
                        break
            gone = clock.seconds()
            await until(lambda: clock.seconds() > gone + 60, "a minute of the box's time is over")
            assert ("vllm/vllm-openai:v0.31.0" in world.images) is stays


async def test_an_image_that_is_not_there(docker: httpx.AsyncClient) -> None:
    params = {"fromImage": "vllm/vllm-openai", "tag": "no-such-tag"}
    refused = await docker.post("/images/create", params=params)
    assert refused.status_code == 404
    assert refused.json()["message"].startswith("manifest for vllm/vllm-openai:no-such-tag")
    assert (await docker.get("/images/nothing:1/json")).status_code == 404
    assert (await docker.get(f"/images/{IMAGE}/json")).json()["RepoTags"] == [IMAGE]


async def test_a_container_lives_and_dies(rig: Rig, docker: httpx.AsyncClient) -> None:
    body = {
        "Image": IMAGE,
        "Cmd": ["openai/gpt-oss-20b"],
        "Labels": {"a": "1"},
        "HostConfig": {"PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}]}},
    }
    made = await docker.post("/containers/create", params={"name": "one"}, json=body)
    assert made.status_code == 201
    again = await docker.post("/containers/create", params={"name": "one"}, json=body)
    assert again.status_code == 409
    assert 'The container name "/one" is already in use' in again.json()["message"]
    key = made.json()["Id"]
    assert len(key) == 64
    assert (await docker.get("/containers/json")).json() == []
    assert (await docker.post(f"/containers/{key}/start")).status_code == 204
    assert (await docker.post(f"/containers/{key[:12]}/start")).status_code == 304
    (listed,) = (await docker.get("/containers/json")).json()
    assert (listed["Names"], listed["State"], listed["Labels"]) == (["/one"], "running", {"a": "1"})
    assert listed["Ports"][0]["PublicPort"] == 8000
    filters = json.dumps({"label": ["b"]})
    assert (await docker.get("/containers/json", params={"filters": filters})).json() == []
    assert (await docker.get("/containers/one/json")).json()["State"]["Running"] is True
    assert (await docker.post("/containers/one/stop")).status_code == 204
    assert (await docker.post("/containers/one/stop")).status_code == 304
    assert (await docker.get("/containers/one/json")).json()["State"]["Status"] == "exited"
    assert (await docker.delete("/containers/one")).status_code == 204
    assert (await docker.delete("/containers/one")).status_code == 404
    assert rig.sim.boxes[0].world.containers == {}


async def test_a_port_can_be_published_once(docker: httpx.AsyncClient) -> None:
    ports = {"PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}]}}
    for name in ("one", "two"):
        body = {"Image": IMAGE, "Cmd": [], "HostConfig": ports}
        await docker.post("/containers/create", params={"name": name}, json=body)
    assert (await docker.post("/containers/one/start")).status_code == 204
    refused = await docker.post("/containers/two/start")
    assert refused.status_code == 500
    assert refused.json()["message"].endswith("failed: port is already allocated")


async def test_logs_are_framed_as_docker_frames_them(rig: Rig, docker: httpx.AsyncClient) -> None:
    body = {"Image": IMAGE, "Cmd": ["openai/gpt-oss-20b"]}
    await docker.post("/containers/create", params={"name": "one"}, json=body)
    await docker.post("/containers/one/start")
    (container,) = rig.sim.boxes[0].world.containers.values()
    await until(lambda: container.engine is not None, "it is up")
    raw = (await docker.get("/containers/one/logs", params={"tail": "1"})).content
    assert raw[:4] == b"\x02\0\0\0"  # standard error
    assert int.from_bytes(raw[4:8], "big") == len(raw) - 8
    assert raw.endswith(b"Application startup complete.\n")
    stamped = await docker.get("/containers/one/logs", params={"tail": "1", "timestamps": "1"})
    assert stamped.content[8:10] == b"20"
    assert b"Z (APIServer pid=1)" in stamped.content


async def test_what_docker_does_not_know(docker: httpx.AsyncClient) -> None:
    for path in ("/nonsense", "/containers/nobody/json", "/containers/nobody/nonsense"):
        reply = await docker.get(path)
        assert reply.status_code == 404
        assert reply.json()["message"]
