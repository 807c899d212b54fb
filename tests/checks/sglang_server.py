"""What gptoss-tui believes of SGLang, against a real SGLang server on the CPU.

`python -m tests.checks.sglang_server FOLDER [VERSION]`: makes SGLang's environment (3 GB, see
`sglang_cpu`) and a tiny GPT-OSS in FOLDER where they are not there, starts the server with the command
line of a launch behind an API key, and asks it what the app asks. About five minutes once it is made.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from gptoss_tui.domain.doctor.read import diagnose
from gptoss_tui.domain.engines.parts import SECRETS_DIR, WEIGHTS_MOUNT
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.parse.chat import ChatPiece, read_chunk
from gptoss_tui.domain.parse.sse import SseParser
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS
from gptoss_tui.domain.serving import EngineSnapshot
from tests.checks.process import ended, free_port
from tests.checks.sglang_cpu import installed, tiny_model
from tests.real.waiting import until
from tests.unit.make import request, spec

SGLANG = engine_named("sglang")
KEY = "sk-check-0815"
NAME = "openai/gpt-oss-20b"
CONTEXT = 4096
REASONING = "Greetings deserve a short and friendly reply; nothing more?"
ANSWER = "Hello! This server runs, ask me something else whenever you like."
START_S = 300


def launch_spec(version: str, model: Path) -> LaunchSpec:
    """A launch behind a key, with the weights in a folder and the flags of a plan."""
    made = plan(
        request(
            engine="sglang", engine_version=version, max_model_len=CONTEXT,
            gpu_memory_utilization=0.05,
        )
    )  # fmt: skip
    return spec(
        engine="sglang", engine_version=version, needs_api_key=True, weights_dir=str(model),
        model=NAME, served_name=NAME, arguments=made.command[1:],
    )  # fmt: skip


class Server:
    """One run of it: its process, its port, and its log."""

    def __init__(self, python: Path, launch: LaunchSpec, folder: Path, *more: str) -> None:
        entrypoint = SGLANG.container_entrypoint(launch)
        assert entrypoint is not None
        (folder / "api_key").write_text(KEY)
        self.port = free_port()
        places = {
            WEIGHTS_MOUNT: str(launch.weights_dir), str(SGLANG.container_port): str(self.port),
        }  # fmt: skip
        words = [places.get(word, word) for word in SGLANG.container_command(launch)]
        program = entrypoint[2].replace(SECRETS_DIR, str(folder))
        self._log = folder / f"{self.port}.log"
        self.process = subprocess.Popen(
            [str(python), "-c", program, *words, "--device", "cpu", *more],
            stdout=self._log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | dict(SGLANG.environment(launch)) | {"SGLANG_USE_CPU_ENGINE": "1"},
        )  # fmt: skip
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.key = {"Authorization": f"Bearer {KEY}"}

    @property
    def log(self) -> list[str]:
        return self._log.read_bytes().decode(errors="replace").split("\n")

    def status(self, path: str, **more: Any) -> int:
        """0: refused."""
        try:
            return self.http.get(path, **more).status_code
        except httpx.TransportError:
            return 0

    def figures(self) -> EngineSnapshot:
        assert SGLANG.metrics_path is not None
        return SGLANG.read_metrics(self.http.get(SGLANG.metrics_path).text)

    def ask(self, **body: Any) -> httpx.Response:
        said = {"model": NAME, "messages": [{"role": "user", "content": "Say hello."}]}
        return self.http.post("/v1/chat/completions", json=said | body, headers=self.key)

    def stream(self, tokens: int, **more: Any) -> list[ChatPiece]:
        body = {
            "model": NAME, "messages": [{"role": "user", "content": "Say hello."}], "stream": True,
            "stream_options": {"include_usage": True}, "reasoning_effort": "low",
            "max_tokens": tokens,
        }  # fmt: skip
        parser, pieces = SseParser(), []
        asked = self.http.stream(
            "POST", "/v1/chat/completions", json=body | more, headers=self.key, timeout=300
        )
        with asked as reply:
            assert reply.status_code == 200
            for part in reply.iter_raw():
                pieces += [read_chunk(data) for data in parser.feed(part) if data != "[DONE]"]
        return pieces


@contextmanager
def started(python: Path, launch: LaunchSpec, *more: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(python, launch, Path(folder), *more)
        with ended(server):
            yield server


# --- what is checked ------------------------------------------------------------------------------


def comes_up(server: Server) -> None:
    """The port refuses until the model is loaded, is 503 while it warms up, and then 200."""
    seen: list[int] = []

    def up() -> bool:
        assert server.process.poll() is None, "it ended"
        found = server.status(SGLANG.health_path)
        if not seen or found != seen[-1]:
            seen.append(found)
        return found == 200

    until("it does not come up", up, START_S)
    assert seen[0] == 0, seen
    assert set(seen) <= {0, 503, 200}, seen
    marks = [mark for line in server.log if (mark := SGLANG.read_log(line))]
    assert [mark.fatal for mark in marks if mark.fatal] == []
    phases = [mark.phase for mark in marks]
    order = list(dict.fromkeys(phases))
    assert order == ["weights", "load", "warmup"], order  # a CPU captures no graphs
    assert phases == sorted(phases, key=order.index), "a phase came back"
    kept = {name for mark in marks if mark.figures for name in ("weights_gib", "kv_tokens")
            if getattr(mark.figures, name)}  # fmt: skip
    assert kept == {"weights_gib", "kv_tokens"}
    assert diagnose(server.log).verdict == "nothing_wrong"


def keeps_its_key(server: Server, version: str) -> None:
    """No argument list and no log has the key, and it guards what is said to be guarded."""
    assert not any(KEY in line for line in server.log)
    lists = [
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.exists()
    ]
    assert not any(KEY.encode() in words for words in lists)
    for path in SGLANG.open_routes(version):
        assert server.status(path) in (200, 404), path  # not each release has each of them
    for path in ("/v1/models", "/get_model_info", "/server_info", "/"):
        assert server.status(path) == 401, path
        assert server.status(path, headers=server.key) == 200, path
    refused = server.http.post("/v1/chat/completions", json={"model": NAME, "messages": []})
    assert (refused.status_code, read_chunk(refused.text).error) == (401, "Unauthorized")


def tells_its_figures(server: Server) -> None:
    """A fresh server has the gauges; what nobody has asked for yet is not there, and is not 0."""
    figures = server.figures()
    assert (figures.metrics, figures.model) == (True, NAME)
    assert (figures.running, figures.waiting) == (0, 0)
    assert figures.kv_cache_usage == 0
    assert figures.kv_cache_tokens
    assert figures.kv_cache_max_concurrency == figures.kv_cache_tokens / CONTEXT
    assert figures.counters.finished == 1, "its own warm-up"
    assert figures.counters.inter_token is None


def answers(server: Server, launch: LaunchSpec) -> None:
    """One token for readiness, then reasoning and answer apart, with the usage at the end."""
    question = SGLANG.question(launch)
    headers = server.key | {"Content-Type": "application/json"}
    first = server.http.post(question.path, content=question.body, headers=headers)
    assert (first.status_code, read_chunk(first.text).completion_tokens) == (200, 1), first.text
    pieces = server.stream(200)
    assert "".join(piece.reasoning for piece in pieces) == REASONING
    assert "".join(piece.content for piece in pieces) == ANSWER
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == ["stop"]
    assert pieces[-1].prompt_tokens
    assert (pieces[-1].completion_tokens or 0) > 30
    until("its counters", lambda: server.figures().counters.finished == 3)
    counted = server.figures().counters
    assert counted.inter_token
    assert counted.ttft
    assert counted.ttft.count == counted.finished
    assert counted.prefix_queries
    assert counted.prefix_hits


def refuses(server: Server) -> None:
    """A prompt that is too long is a 400; a model's name is not looked at."""
    long = server.ask(messages=[{"role": "user", "content": "word " * 2 * CONTEXT}])
    assert long.status_code == 400
    assert (
        f"longer than the model's context length ({CONTEXT} tokens)" in read_chunk(long.text).error
    )
    assert server.ask(max_tokens=20 * CONTEXT).status_code == 400
    other = server.ask(model="nobody/knows-it", max_tokens=1)
    assert (other.status_code, other.json()["model"]) == (200, "nobody/knows-it")


def drains(server: Server) -> None:
    """SIGTERM cuts nothing, refuses nothing but its health, and ends by itself with 0."""
    tokens = 150
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(server.stream, tokens, ignore_eos=True) for _ in range(3)]
        until("the streams do not run", lambda: server.figures().running == len(running))
        server.process.send_signal(signal.SIGTERM)
        until("its health is still 200", lambda: server.status(SGLANG.health_path) == 503)
        assert server.ask(max_tokens=1).status_code == 200, "a new request is served"
        for stream in running:
            pieces = stream.result()
            assert pieces[-1].completion_tokens == tokens
            assert {piece.finish_reason for piece in pieces} == {None, "length"}
    assert server.process.wait(60) == 0


def fails(python: Path, launch: LaunchSpec, cause: str, *more: str) -> None:
    """The doctor knows why a start cannot succeed. (With its port taken it fails and does not end.)"""
    with started(python, launch, *more) as server:
        until(
            f"{cause} is not known",
            lambda: server.process.poll() is not None or diagnose(server.log).cause == cause,
            START_S,
        )
        found = diagnose(server.log)
        assert found.cause == cause, found
        print(f"ok: {cause} from {found.evidence[-1][:100]!r}", flush=True)


def check(folder: Path, version: str) -> None:
    """Ends with the first belief that is not true."""
    folder.mkdir(parents=True, exist_ok=True)
    python = installed(folder, version)
    launch = launch_spec(version, tiny_model(folder, python))
    with started(python, launch) as server:
        steps: Sequence[tuple[str, Callable[[], None]]] = (
            ("comes up", lambda: comes_up(server)),
            ("tells its figures", lambda: tells_its_figures(server)),
            ("keeps its key", lambda: keeps_its_key(server, version)),
            ("answers", lambda: answers(server, launch)),
            ("refuses", lambda: refuses(server)),
            ("drains", lambda: drains(server)),
        )
        for name, step in steps:
            step()
            print(f"ok: {name}", flush=True)
    fails(python, launch, "bad_argument", "--no-such-flag")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fails(python, launch, "port_taken", f"--port={taken.getsockname()[1]}")
    with tempfile.TemporaryDirectory() as place:
        damaged = Path(place) / "model"
        shutil.copytree(launch.weights_dir or "", damaged)
        os.truncate(damaged / "model.safetensors", 50_000_000)
        fails(python, launch_spec(version, damaged), "weights_damaged")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"{__doc__}")
    check(Path(sys.argv[1]), *(sys.argv[2:3] or [DEFAULT_VERSIONS["sglang"]]))
