"""What gptoss-tui believes of Ollama, against a real Ollama server on the CPU.

`python -m tests.checks.ollama_server OLLAMA`: OLLAMA is the program (`bin/ollama` of an installation,
with its `lib/ollama` beside it). It is started as a launch starts it, fetches a tiny GPT-OSS from a
registry that stands in for registry.ollama.ai here (`ollama_registry`), and is asked what the app
asks. Linux; no network, no GPU; about a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from gptoss_tui.domain.chat import ChatDelta, ChatDone
from gptoss_tui.domain.doctor.read import diagnose
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.parse.ollama_pull import ModelPull
from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.ollama import slot_gib
from gptoss_tui.domain.plan.types import DEFAULT_VERSIONS
from gptoss_tui.errors import EngineError
from tests.checks.ollama_model import ANSWER, CACHE, REASONING, tiny_model
from tests.checks.ollama_process import CONTEXT, NAME, OLLAMA, SECONDS, Server, launch_spec, started
from tests.checks.ollama_registry import Registry
from tests.real.waiting import until

ENDLESS, UNKNOWN = "gpt-oss:120b", "gpt-oss:7b"


# --- what is checked ------------------------------------------------------------------------------


def comes_up(server: Server) -> None:
    """It answers before it has a model, and nothing in its log is taken for the model's load."""
    until("it does not come up", server.up, SECONDS)
    assert server.http.get("/").text == "Ollama is running"
    for path in OLLAMA.open_routes(DEFAULT_VERSIONS["ollama"]):
        assert server.status(path) == 200, path
    assert server.http.get("/v1/models").json()["data"] in ([], None)
    assert server.loaded() == []
    until("its log", lambda: any("inference compute" in line for line in server.log))
    assert phases(server) == []
    assert diagnose(server.log).cause == "gpu_not_visible", "which is true here"


def phases(server: Server) -> list[str]:
    """As its log tells them, each once."""
    marks = [mark for line in server.log if (mark := OLLAMA.read_log(line))]
    assert [mark.fatal for mark in marks if mark.fatal] == []
    return list(dict.fromkeys(mark.phase for mark in marks if mark.phase))


def knows_no_other(server: Server) -> None:
    """A model that the registry has not, and one that was not fetched."""
    said: list[str] = []
    server.pull(UNKNOWN, said.append)
    assert json.loads(said[-1]) == {"error": "pull model manifest: file does not exist"}, said
    with pytest.raises(EngineError, match=f"model '{UNKNOWN}' not found") as refused:
        server.ask(UNKNOWN)
    assert refused.value.status == 404
    assert server.call(OLLAMA.load(launch_spec(UNKNOWN))).status_code == 404
    assert server.call(OLLAMA.model_present(launch_spec(UNKNOWN))).status_code == 404
    found = diagnose([said[-1]])
    assert found.cause == "model_not_found", found


def fetches(server: Server, registry: Registry) -> None:
    """A pull that is broken off goes on where it was; what is there already is no progress."""
    model = registry.models[NAME]
    largest = len(model.layers[0].data)
    progress = ModelPull()

    def half(line: str) -> bool:
        progress.feed(line)
        return progress.done_bytes >= largest // 2

    server.pull(NAME, half)
    assert server.call(OLLAMA.model_present(launch_spec())).status_code == 404, (
        "half of it is not all"
    )
    assert progress.total_bytes == largest, progress.total_bytes
    assert progress.done_bytes == largest // 2
    until("the transfer is kept", lambda: list((server.store / "models").rglob("*-partial-0")))
    again = ModelPull()

    def goes_on(line: str) -> None:
        again.feed(line)
        progress.feed(line)
        if again.done_bytes:
            registry.cut.set()  # a connection that breaks is made anew by the server itself
        if len(registry.ranges) > 2:
            registry.whole.set()

    server.pull(NAME, goes_on)
    assert [first > 0 for first in registry.ranges] == [False, True, True], registry.ranges
    assert again.detail == progress.detail == "success"
    assert again.total_bytes is not None
    assert largest <= again.total_bytes <= model.size
    assert progress.done_bytes == progress.total_bytes
    assert server.call(OLLAMA.model_present(launch_spec())).status_code == 200
    there = ModelPull()
    server.pull(NAME, there.feed)
    assert (there.detail, there.total_bytes) == ("success", None), "it was there"
    assert phases(server) == []


def loads(server: Server) -> None:
    """A call without a prompt loads, for good; the log tells its beginning and its end."""
    assert server.call(OLLAMA.load(launch_spec())).json()["done"] is True
    (loaded,) = server.loaded()
    assert (loaded["name"], loaded["context_length"]) == (NAME, CONTEXT), loaded
    assert loaded["expires_at"] > "2100", loaded
    assert phases(server) == ["load", "warmup"]
    listed = server.http.get("/v1/models").json()["data"]
    assert [model["id"] for model in listed] == [NAME]


def answers(server: Server, launch: LaunchSpec) -> None:
    """One token for readiness, then reasoning and answer apart, with the usage at the end."""
    first = server.call(OLLAMA.question(launch)).json()
    assert first["usage"]["completion_tokens"] == 1, first
    server.ask()  # 0.13 may begin an answer with what it still computed for one cut at its limit
    reasoning, answer, done = server.ask()
    assert (reasoning, answer) == (REASONING, ANSWER), (reasoning, answer)
    assert done.finish_reason == "stop"
    assert done.prompt_tokens
    assert (done.completion_tokens or 0) > 20
    *_, cut = server.ask(max_tokens=3)
    assert (cut.finish_reason, cut.completion_tokens) == ("length", 3)
    *_, long = server.ask(prompt="word " * 2 * CONTEXT, max_tokens=3)
    assert (long.prompt_tokens or 0) <= CONTEXT, "a prompt that is too long is cut, and not refused"


def queues(server: Server) -> None:
    """One slot: a second request waits for the first one's end, and is answered then."""
    server.pull(ENDLESS)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(server.ask, ENDLESS, max_tokens=200)
        until("it does not run", lambda: [model["name"] for model in server.loaded()] == [ENDLESS])
        second = pool.submit(server.ask, ENDLESS, max_tokens=5)
        counts = [one.result()[2].completion_tokens for one in (first, second)]
    assert counts == [200, 5]
    assert [model["name"] for model in server.loaded()] == [ENDLESS], "one model at a time"


def stops(server: Server) -> None:
    """SIGTERM cuts the answers that run, at once; nothing of it stays, and its exit code is 0."""
    pieces: list[ChatDelta | ChatDone] = []
    with ThreadPoolExecutor() as pool:
        asked = server.chat(pieces, ENDLESS, max_tokens=1_000_000)
        running = pool.submit(asyncio.run, asked)
        until("no token comes", lambda: len(pieces) > 10)
        server.process.send_signal(signal.SIGTERM)
        broken = running.exception(30)
    assert isinstance(broken, EngineError), broken
    assert "does not answer" in str(broken), broken
    assert not any(isinstance(piece, ChatDone) for piece in pieces)
    assert server.process.wait(30) == 0
    until("a runner stayed", lambda: not _alive(server.process.pid))
    assert diagnose(server.log).cause in (None, "gpu_not_visible"), diagnose(server.log)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def keeps_its_plan(program: str, registry: Registry) -> None:
    """The cache that it prints is the one that the planner counts: two slots of twice the context.

    llama.cpp's server (0.30 and later) needs less: its window layers keep 768 tokens a slot.
    """
    shape = dict(zip(("layers", "kv_heads", "head_dim"), CACHE, strict=True))
    model = msgspec.structs.replace(model_named("20b"), **shape)
    planned = slot_gib(model, 2 * CONTEXT, None) * 2 * 1024
    more = {"OLLAMA_CONTEXT_LENGTH": str(2 * CONTEXT), "OLLAMA_NUM_PARALLEL": "2"}
    with started((program,), launch_spec(), registry.environment | more) as server:
        until("it does not come up", server.up)
        server.pull(NAME)
        server.call(OLLAMA.load(launch_spec())).raise_for_status()
        own, theirs = (
            sum(float(found[1]) for line in server.log if (found := re.search(said, line)))
            for said in _CACHE_MIB
        )
    assert abs(own - planned) < 0.3 if own else 0 < theirs < planned, (own, theirs, planned)


_CACHE_MIB = (
    r'msg="kv cache" device=CPU size="([\d.]+) MiB',
    r"CPU KV buffer size = +([\d.]+) MiB",
)


def fails(program: str, registry: Registry) -> None:
    """What its log, or its answer to a pull, says where a launch cannot succeed."""
    launch = launch_spec()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with started((program,), launch, {"OLLAMA_HOST": address}) as server:
            assert server.process.wait(SECONDS) == 1
            tells("port_taken", server.log)
    nobody = registry.environment | {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
    small = 'mount -t tmpfs -o size=300k none "$OLLAMA_MODELS"'
    for cause, more, mount in (
        ("registry_unreachable", {}, ""),
        ("certificate", nobody, ""),
        ("disk_full", registry.environment, small),
    ):
        with started(mounted(program, mount), launch, more) as server:
            until("it does not come up", server.up)
            said: list[str] = []
            server.pull(NAME, said.append)
            tells(cause, said)


def mounted(program: str, mount: str) -> tuple[str, ...]:
    """The program behind a mount that nobody else sees."""
    if not mount:
        return (program,)
    script = f'mkdir -p "$OLLAMA_MODELS" && {mount} && exec "$0" "$@"'
    return ("unshare", "--map-root-user", "--mount", "sh", "-c", script, program)


def serves_from_a_folder(program: str, registry: Registry) -> None:
    """`--weights-dir`: a store that cannot be written to, and no registry. A damaged one fails."""
    launch = launch_spec()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        with started((program,), launch, registry.environment, store) as server:
            until("it does not come up", server.up)
            server.pull(NAME)
        place = '"$OLLAMA_MODELS"'
        fixed = f"mount --bind {place} {place} && mount -o remount,bind,ro {place}"
        with started(mounted(program, fixed), launch, {}, store) as server:
            until("it does not come up", server.up)
            server.call(OLLAMA.load(launch)).raise_for_status()
            assert server.call(OLLAMA.question(launch)).json()["usage"]["completion_tokens"] == 1
        blobs = (store / "models" / "blobs").iterdir()
        os.truncate(max(blobs, key=lambda blob: blob.stat().st_size), 500_000)
        with started((program,), launch, {}, store) as server:
            until("it does not come up", server.up)
            assert server.call(OLLAMA.load(launch)).status_code == 500


def tells(cause: str, log: list[str]) -> None:
    found = diagnose(log)
    assert found.cause == cause, found
    print(f"ok: {cause} from {found.evidence[-1][:100]!r}", flush=True)


def check(program: str) -> None:
    """Ends with the first belief that is not true."""
    models = {NAME: tiny_model(), ENDLESS: tiny_model(endless=True)}
    with tempfile.TemporaryDirectory() as folder, Registry(models, Path(folder)) as registry:
        launch = launch_spec()
        with started((program,), launch, registry.environment) as server:
            steps: tuple[tuple[str, Callable[[], None]], ...] = (
                ("comes up", lambda: comes_up(server)),
                ("knows no other model", lambda: knows_no_other(server)),
                ("fetches", lambda: fetches(server, registry)),
                ("loads", lambda: loads(server)),
                ("answers", lambda: answers(server, launch)),
                ("queues", lambda: queues(server)),
                ("stops", lambda: stops(server)),
            )
            for name, step in steps:
                step()
                print(f"ok: {name}", flush=True)
        for one in (keeps_its_plan, fails, serves_from_a_folder):
            one(program, registry)
            print(f"ok: {one.__name__.replace('_', ' ')}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"{__doc__}")
    check(sys.argv[1])
