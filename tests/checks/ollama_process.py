"""A real Ollama server as a launch starts it, and the app's own client for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx

from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatMessage, ChatRequest
from gptoss_tui.domain.engines.base import Call
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS
from gptoss_tui.remote.engine_client import EngineClient
from gptoss_tui.remote.local_transport import LocalTransport
from tests.checks.process import ended, free_port
from tests.unit.make import request, spec

OLLAMA = engine_named("ollama")
NAME = "gpt-oss:20b"
CONTEXT = 4096
SECONDS = 120


def launch_spec(name: str = NAME, **more: Any) -> LaunchSpec:
    """A launch with the settings of a plan."""
    made = plan(
        request(
            engine="ollama", engine_version=DEFAULT_VERSIONS["ollama"], max_model_len=CONTEXT, users=1
        )
    )  # fmt: skip
    return spec(
        engine="ollama", model=name, served_name=name, arguments=(),
        environment=OLLAMA.settings(made.request), **more,
    )  # fmt: skip


class Server:
    """One run of it: its process, its port, its store, and its log."""

    def __init__(
        self, program: tuple[str, ...], launch: LaunchSpec, store: Path, more: Mapping[str, str]
    ) -> None:
        self.port = free_port()
        self.store = store
        self._log = store / f"{self.port}.log"
        own = {
            "HOME": str(store), "OLLAMA_HOST": f"127.0.0.1:{self.port}",
            "OLLAMA_MODELS": str(store / "models"), "CUDA_VISIBLE_DEVICES": "-1",
            "HTTPS_PROXY": "http://127.0.0.1:9",  # nobody is reached unless `more` says how
        }  # fmt: skip
        plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        self.process = subprocess.Popen(
            [*program, *OLLAMA.container_command(launch)],
            stdout=self._log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True,
            env=plain | dict(OLLAMA.environment(launch)) | own | dict(more),
        )  # fmt: skip
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=SECONDS, trust_env=False
        )

    @property
    def log(self) -> list[str]:
        return self._log.read_bytes().decode(errors="replace").split("\n")

    def status(self, path: str) -> int:
        """0: refused."""
        try:
            return self.http.get(path).status_code
        except httpx.TransportError:
            return 0

    def up(self) -> bool:
        assert self.process.poll() is None, "it ended"
        return self.status(OLLAMA.health_path) == 200

    def call(self, call: Call | None) -> httpx.Response:
        assert call is not None
        return self.http.post(call.path, content=call.body)

    def loaded(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/api/ps").json()["models"]
        return found

    def pull(self, name: str, read: Callable[[str], object] = str) -> None:
        """Each line to `read`; the client goes away when that answers True."""
        call = OLLAMA.fetch(launch_spec(name))
        assert call is not None
        with self.http.stream("POST", call.path, content=call.body) as reply:
            for line in reply.iter_lines():
                if read(line) is True:
                    return

    def ask(self, name: str = NAME, **more: Any) -> tuple[str, str, ChatDone]:
        """One chat by the app's own client: reasoning, answer, and how it ended."""
        pieces: list[ChatDelta | ChatDone] = []
        asyncio.run(self.chat(pieces, name, **more))
        *deltas, done = pieces
        assert isinstance(done, ChatDone)
        said = {"reasoning": "", "answer": ""}
        for delta in deltas:
            assert isinstance(delta, ChatDelta)
            said[delta.channel] += delta.text
        return said["reasoning"], said["answer"], done

    async def chat(
        self, pieces: list[ChatDelta | ChatDone], name: str, prompt: str = "Hello!", **more: Any
    ) -> None:
        """The same, with what comes in `pieces` as it comes."""
        client = EngineClient(LocalTransport(), OLLAMA, "127.0.0.1", self.port)
        message = ChatMessage(role="user", content=prompt)
        asked = ChatRequest(messages=(message,), effort="low", **more)
        try:
            async with aclosing(client.chat(name, asked, None)) as answer:
                async for piece in answer:
                    pieces.append(piece)
        finally:
            await client.aclose()


@contextmanager
def started(
    program: tuple[str, ...], launch: LaunchSpec, more: Mapping[str, str], store: Path | None = None
) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(program, launch, store or Path(folder), more)
        with ended(server):
            yield server
