"""How much of a model has come, as the launch's own script counts it on this machine's disk."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.remote import launcher
from gptoss_tui.remote.launch_log import follow_log
from gptoss_tui.remote.local_transport import LocalTransport
from gptoss_tui.sim.docker_api import DockerApi
from gptoss_tui.sim.http import Request, Response, serve
from tests.remote.test_ready import Here, world_here

MIB = 1024**2
# As Docker 20.10 answers, without most of it: 70 packets of up to 64 KiB.
STATS = (
    b'{"read":"2026-11-26T08:00:00Z","pids_stats":{"current":2},"networks":{"eth0":{"rx_bytes":'
    b'3200000,"rx_packets":70,"rx_errors":0,"tx_bytes":84000,"tx_packets":60},"eth1":{"rx_bytes":'
    b'1000000,"rx_packets":20,"tx_bytes":1}}}'
)


def cache_of(folder: Path) -> Path:
    """A cache as `huggingface_hub` 2 leaves it: one file there, one coming, one given up."""
    blobs = folder / "models--openai--gpt-oss-20b/blobs"
    shared = folder / "blobs/0a"
    for place in (blobs, shared):
        place.mkdir(parents=True)
    (shared / "0a0a").write_bytes(os.urandom(3 * MIB))
    (blobs / "aaaa").symlink_to("../../blobs/0a/0a0a")  # from Xet storage: shared by all models
    (blobs / "bbbb").write_bytes(os.urandom(2 * MIB))
    (blobs / "cccc").symlink_to("../../blobs/gone")
    left = blobs / "dddd.00c0ffee.incomplete"
    left.write_bytes(os.urandom(5 * MIB))
    os.utime(left, (1, 1))
    return blobs


def coming(blobs: Path) -> None:
    """A file that is written in pieces, from its middle on."""
    with (blobs / "eeee.0badcafe.incomplete").open("wb") as file:
        file.seek(64 * MIB)
        file.write(os.urandom(4 * MIB))


@pytest.mark.parametrize("told", [True, False])
async def test_what_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if told:
        monkeypatch.setattr(Here, "docker", _with_stats)
    blobs = cache_of(tmp_path / "cache")
    async with world_here(tmp_path, speed=1.0) as here:
        spec = msgspec.structs.replace(here.spec("vllm"), cache_dir=str(tmp_path / "cache"))
        seen = await _weights(here, spec, blobs)
        assert not here.world.containers
    # In whole MiB of 4,200,000 bytes, less 66 of headers for each of 90 packets.
    received = " 3072" if told else ""
    assert seen == [f"weights 5120{received}", f"weights 9216{received}"]


async def _weights(here: Here, spec: LaunchSpec, blobs: Path) -> list[str]:
    """The first two `weights` events, the second after a file has begun to come."""
    here.world.images.add(spec.image)
    transport, seen = LocalTransport(), []
    await launcher.start(transport, spec, Secrets(), here.socket)
    async with asyncio.timeout(60), aclosing(follow_log(transport, spec.launch_id, 0)) as lines:
        async for line in lines:
            _, _, event = line.partition(" ")
            if event.startswith("weights "):
                seen.append(event)
                if len(seen) == 2:
                    break
                await asyncio.to_thread(coming, blobs)
    await launcher.cancel(transport, spec.launch_id)
    return seen


async def _with_stats(
    here: Here, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    docker = DockerApi(here.world)

    async def answer(request: Request) -> Response:
        if request.path.endswith("/stats"):
            assert request.query["one-shot"] == "true", "else Docker takes two seconds for it"
            return Response(body=STATS)
        return await docker.handle(request)

    await serve(reader, writer, answer)
