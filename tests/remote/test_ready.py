"""The launch helper's own script on this machine, against a simulated Docker and its servers.

What is asked and how it is judged is the script's; Docker's socket and the server's port are real.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from gptoss_tui.domain.choose import choose
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS, PlanRequest
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.secret import Secret
from gptoss_tui.remote import launcher
from gptoss_tui.remote.launch_log import follow_log
from gptoss_tui.remote.local_transport import LocalTransport
from gptoss_tui.sim.clock import ScaledClock
from gptoss_tui.sim.docker_api import DockerApi
from gptoss_tui.sim.faults import Fault
from gptoss_tui.sim.http import Request, Response, serve
from gptoss_tui.sim.profile import H100, Profile
from gptoss_tui.sim.servers import server
from gptoss_tui.sim.world import World
from tests.remote.support import spec_of_plan

KEY = 'sk-\'a "quoted" $key'


@dataclass
class Here:
    """A world whose Docker listens on `socket`, and whose one server on `port` of 127.0.0.1."""

    world: World
    socket: str
    port: int
    paths: list[str]
    strange: bytes | None = None

    async def docker(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer, DockerApi(self.world).handle)

    async def tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        container = self.world.serving(self.port)
        handler = server(self.world, container) if container else None
        if handler is None:
            writer.close()
            return

        async def noted(request: Request) -> Response:
            self.paths.append(request.path)
            if self.strange is not None and request.method == "POST":
                return Response(body=self.strange, content_type="text/html")
            return await handler(request)

        await serve(reader, writer, noted)

    def spec(self, engine: str, **changes: object) -> LaunchSpec:
        gpu = Gpu(index=0, name=H100.name, uuid=self.world.uuid(0), memory_total_bytes=85 * 10**9)
        report = BoxReport(hostname="here", gpus=(gpu,), home="/nonexistent/home")
        request = PlanRequest(
            model="20b", gpus=(), engine=engine, engine_version=DEFAULT_VERSIONS[engine],
            max_model_len=32_768,
        )  # fmt: skip
        gpus, plan = choose(report, request)
        made = spec_of_plan(plan, report, gpus, name=f"test-{uuid.uuid4().hex[:12]}")
        return msgspec.structs.replace(made, port=self.port, cache_dir=None, **changes)

    async def launched(self, spec: LaunchSpec, secrets: Secrets | None = None) -> LaunchProgress:
        """Launch with the real script; how it ended."""
        self.world.images.add(spec.image)
        transport = LocalTransport()
        await launcher.start(transport, spec, secrets or Secrets(), self.socket)
        async with (
            asyncio.timeout(60),
            aclosing(follow_log(transport, spec.launch_id, 0)) as lines,
        ):
            async for line in lines:
                if line.endswith(" end"):
                    break
        return (await launcher.one_record(transport, spec.launch_id)).progress


@asynccontextmanager
async def world_here(
    folder: Path, *faults: Fault, cached: bool = True, speed: float = 400.0
) -> AsyncIterator[Here]:
    profile = Profile(
        f"here-{uuid.uuid4().hex}", (H100,), weights_cached=cached, faults=frozenset(faults)
    )
    world = World(profile, ScaledClock(speed))
    here = Here(world, str(folder / "docker.sock"), 0, [])
    tcp = await asyncio.start_server(here.tcp, "127.0.0.1", 0)
    here.port = tcp.sockets[0].getsockname()[1]
    unix = await asyncio.start_unix_server(here.docker, here.socket)
    try:
        yield here
    finally:
        tcp.close()
        unix.close()
        await world.aclose()


@pytest.fixture(params=["curl", "python3"])
def client(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A box with curl, or with nothing but Python."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if request.param == "curl":
        if shutil.which("curl") is None:
            pytest.skip("there is no curl here")
        return "curl"
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in os.environ["PATH"].split(":"):
        for program in Path(place).glob("*") if Path(place).is_dir() else ():
            link = folder / program.name
            if program.name != "curl" and not link.exists() and not link.is_symlink():
                link.symlink_to(program)
    monkeypatch.setenv("PATH", str(folder))
    return "python3"


@pytest.mark.parametrize("engine", ["vllm", "sglang", "ollama"])
async def test_ready_is_an_answer(client: str, tmp_path: Path, engine: str) -> None:
    async with world_here(tmp_path) as here:
        spec = here.spec(engine)
        progress = await here.launched(spec)
    assert (progress.state, progress.error) == ("ready", "")
    assert here.paths[-1] == "/v1/chat/completions"
    if engine == "ollama":
        order = ["/api/version", "/api/pull", "/api/generate", "/v1/chat/completions"]
        assert list(dict.fromkeys(here.paths)) == order


async def test_what_is_asked_every_few_seconds_is_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with world_here(tmp_path) as here:
        await here.launched(here.spec("vllm"))
        transport = LocalTransport()
        assert [record.alive for record in await launcher.records(transport)] == [False]
        assert await launcher.running(transport) == ()
        (folder,) = (tmp_path / "state/gptoss-tui/launches").iterdir()
        (folder / "ended").unlink()
        helper = await asyncio.create_subprocess_exec(
            "sh", "-c", "read -r _", f"/{folder.name}/helper.sh", stdin=asyncio.subprocess.PIPE
        )
        (folder / "pid").write_text(str(helper.pid))
        assert [record.alive for record in await launcher.running(transport)] == [True]
        assert helper.stdin is not None
        helper.stdin.close()
        await helper.wait()
        assert await launcher.running(transport) == ()
        await transport.aclose()


async def test_the_key_is_sent_and_not_left(client: str, tmp_path: Path) -> None:
    async with world_here(tmp_path) as here:
        spec = here.spec("vllm", needs_api_key=True)
        progress = await here.launched(spec, Secrets(api_key=Secret(KEY)))
        (container,) = here.world.containers.values()
        assert container.api_key == KEY
    assert (progress.state, progress.error) == ("ready", "")
    files = [file for file in (tmp_path / "state").rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


async def test_a_server_that_cannot_answer(client: str, tmp_path: Path) -> None:
    async with world_here(tmp_path, "no_answer") as here:
        progress = await here.launched(here.spec("vllm"))
        assert here.paths.count("/v1/chat/completions") == 5, "it is tried again"
        assert next(iter(here.world.containers.values())).state == "running"
    assert progress.state == "failed"
    assert "does not answer: 500" in progress.error
    assert any("still runs" in left for left in progress.leftovers)


async def test_nonsense_is_no_answer(client: str, tmp_path: Path) -> None:
    async with world_here(tmp_path) as here:
        here.strange = b"<html>It works!</html>"
        progress = await here.launched(here.spec("vllm"))
    assert progress.state == "failed"
    assert "nonsense: 200 <html>It works!" in progress.error


async def test_a_model_that_is_not_there(client: str, tmp_path: Path) -> None:
    async with world_here(tmp_path) as here:
        spec = msgspec.structs.replace(here.spec("ollama"), model="gpt-oss:7b")
        progress = await here.launched(spec)
        assert here.paths.count("/api/pull") == 1, "that does not pass"
        assert not here.world.containers, "nothing half-made stays"
    assert progress.state == "failed"
    assert "file does not exist" in progress.error


async def test_a_model_that_is_there_needs_no_registry(client: str, tmp_path: Path) -> None:
    async with world_here(tmp_path, "no_network") as here:
        here.world.models.add("gpt-oss:20b")
        progress = await here.launched(here.spec("ollama"))
        assert here.paths.count("/api/pull") == 1, "no other try is needed"
    assert (progress.state, progress.error) == ("ready", "")


async def test_a_model_that_is_not_there_needs_one(client: str, tmp_path: Path) -> None:
    async with world_here(tmp_path, "no_network", cached=False) as here:
        progress = await here.launched(here.spec("ollama"))
    assert progress.state == "failed"
    assert progress.diagnosis is not None
    assert progress.diagnosis.cause == "registry_unreachable"


async def test_a_cancelled_fetch_leaves_no_container(client: str, tmp_path: Path) -> None:
    transport = LocalTransport()
    async with world_here(tmp_path, cached=False, speed=1.0) as here:
        spec = here.spec("ollama")
        here.world.images.add(spec.image)
        await launcher.start(transport, spec, Secrets(), here.socket)
        async with (
            asyncio.timeout(60),
            aclosing(follow_log(transport, spec.launch_id, 0)) as lines,
        ):
            async for line in lines:
                if '"completed":' in line and '"completed":0' not in line:
                    break
        progress = await launcher.cancel(transport, spec.launch_id)
        assert not here.world.containers
    assert progress.state == "cancelled"
    weights = next(phase for phase in progress.phases if phase.name == "weights")
    assert weights.state == "failed"
    assert weights.done_bytes


async def test_a_cancel_while_docker_is_busy_is_told_in_the_log(
    client: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell hears the signal when Docker has answered, in the middle of a call of its own."""
    asked, answer = asyncio.Event(), asyncio.Event()
    handle = DockerApi.handle

    async def busy(self: DockerApi, request: Request) -> Response:
        if request.path.endswith("/containers/create"):
            asked.set()
            await answer.wait()
        return await handle(self, request)

    monkeypatch.setattr(DockerApi, "handle", busy)
    transport = LocalTransport()
    async with world_here(tmp_path) as here, asyncio.timeout(60):
        spec = here.spec("vllm")
        here.world.images.add(spec.image)
        await launcher.start(transport, spec, Secrets(), here.socket)
        await asked.wait()
        folder = tmp_path / "state/gptoss-tui/launches" / spec.launch_id
        os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
        answer.set()
        async with aclosing(follow_log(transport, spec.launch_id, 0)) as lines:
            async for line in lines:
                if line.endswith(" end"):
                    break
        progress = (await launcher.one_record(transport, spec.launch_id)).progress
        assert not here.world.containers
    assert (progress.state, progress.leftovers) == ("cancelled", (f"the image {spec.image}",))


async def test_a_server_that_dies_while_it_loads(client: str, tmp_path: Path) -> None:
    async with world_here(tmp_path, "dies_loading") as here:
        progress = await here.launched(here.spec("vllm"))
    assert progress.state == "failed"
    assert progress.error == "The GPU's memory ran out."  # the helper kept what the server said
    assert progress.diagnosis is not None
    assert progress.diagnosis.cause == "gpu_memory"
