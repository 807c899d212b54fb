"""The simulated vLLM: its HTTP, its metrics as Prometheus reads them, its log as vLLM writes it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.remote import http
from gptoss_tui.sim.clock import ManualClock
from gptoss_tui.sim.container import Container
from tests.remote.support import Rig, passing, serving, simulated, transport_of, until

MODEL = "openai/gpt-oss-20b"


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """One warm box on which gpt-oss-20b serves others too."""
    async with simulated(tmp_path, traffic=6.0) as made:
        await serving(await made.box())
        yield made


@pytest_asyncio.fixture
async def vllm(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    transport = transport_of(await rig.box())
    client = http.client(lambda: transport.open_tcp("127.0.0.1", 8000), base_url="http://vllm")
    async with client as made:
        yield made


def ask(prompt: str, **changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **changes}


async def events(client: httpx.AsyncClient, body: dict[str, Any]) -> list[str]:
    """The data of each server-sent event."""
    async with client.stream("POST", "/v1/chat/completions", json=body) as reply:
        assert reply.headers["content-type"] == "text/event-stream"
        lines = [line async for line in reply.aiter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    return [line.removeprefix("data: ") for line in lines]


async def test_a_chat_streams_as_vllm_streams(vllm: httpx.AsyncClient) -> None:
    stream_options = {"include_usage": True}
    *chunks, end = await events(vllm, ask("Hello!", stream=True, stream_options=stream_options))
    first, *middle, last, usage = [json.loads(chunk) for chunk in chunks]
    assert end == "[DONE]"
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    keys = [next(iter(chunk["choices"][0]["delta"])) for chunk in middle]
    assert set(keys) == {"reasoning", "content"}
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == len(middle)
    assert {chunk["object"] for chunk in (first, *middle, last)} == {"chat.completion.chunk"}


async def test_a_chat_without_stream_is_one_document(vllm: httpx.AsyncClient) -> None:
    reply = (await vllm.post("/v1/chat/completions", json=ask("Hello!"))).json()
    message = reply["choices"][0]["message"]
    assert message["content"].startswith("Hello! The connection works")
    assert message["reasoning"] == "A greeting. Answer briefly."
    assert reply["usage"]["total_tokens"] > reply["usage"]["completion_tokens"] > 10


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"model": MODEL}, 400, "Field required: messages"),
        ({"model": "other", "messages": [{"content": "x"}]}, 404, "`other` does not exist"),
        (ask("x" * 200_000), 400, "maximum context length is 32768 tokens"),
    ],
)
async def test_refusals_are_vllms(
    vllm: httpx.AsyncClient, body: dict[str, Any], status: int, said: str
) -> None:
    reply = await vllm.post("/v1/chat/completions", json=body)
    assert reply.status_code == status
    assert said in reply.json()["error"]["message"]


async def test_the_metrics_page_is_one_that_prometheus_reads(vllm: httpx.AsyncClient) -> None:
    await events(vllm, ask("Hello!", stream=True))
    page = (await vllm.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert [name for name, family in families.items() if not family.documentation] == []
    running = families["vllm:num_requests_running"]
    assert running.type == "gauge"
    assert running.samples[0].labels["model_name"] == MODEL
    for name in ("vllm:time_to_first_token_seconds", "vllm:e2e_request_latency_seconds"):
        histogram = families[name]
        assert histogram.type == "histogram"
        counts = [s.value for s in histogram.samples if s.name.endswith("_bucket")]
        assert counts == sorted(counts)
        total = next(s.value for s in histogram.samples if s.name.endswith("_count"))
        assert counts[-1] == pytest.approx(total)
        assert total >= 1
    assert families["vllm:generation_tokens"].type == "counter"


async def test_counters_never_go_back(vllm: httpx.AsyncClient) -> None:
    pages = [(await vllm.get("/metrics")).text for _ in range(4)]
    values: list[dict[tuple[str, str], float]] = [
        {
            (sample.name, str(sample.labels)): sample.value
            for family in text_string_to_metric_families(page)
            if family.type in ("counter", "histogram")
            for sample in family.samples
        }
        for page in pages
    ]
    for before, after in pairwise(values):
        assert before.keys() <= after.keys()
        assert [key for key in before if after[key] < before[key]] == []
    key = next(key for key in values[0] if key[0] == "vllm:generation_tokens_total")
    assert values[-1][key] > values[0][key]


async def test_our_reader_understands_the_page(vllm: httpx.AsyncClient) -> None:
    snapshot = engine_named("vllm").read_metrics((await vllm.get("/metrics")).text)
    missing = [
        name
        for name in snapshot.__struct_fields__
        if getattr(snapshot, name) is None and name not in ("healthy", "rates")
    ]
    assert missing == []
    assert snapshot.model == MODEL


async def test_other_routes(vllm: httpx.AsyncClient) -> None:
    assert (await vllm.get("/health")).status_code == 200
    assert (await vllm.get("/version")).json() == {"version": "0.32.0"}
    assert [m["id"] for m in (await vllm.get("/v1/models")).json()["data"]] == [MODEL]
    assert (await vllm.get("/nonsense")).status_code == 404


async def test_a_port_nobody_serves_is_refused(rig: Rig) -> None:
    transport = transport_of(await rig.box())
    client = http.client(lambda: transport.open_tcp("127.0.0.1", 8999), base_url="http://vllm")
    async with client:
        with pytest.raises(httpx.ConnectError, match="Connection refused"):
            await client.get("/health")


async def test_no_port_is_open_before_it_is_ready(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with simulated(tmp_path, clock=clock) as rig:
        world = rig.sim.boxes[0].world
        ports = {"PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}]}}
        body = {"Image": "vllm/vllm-openai:v0.32.0", "Cmd": [MODEL], "HostConfig": ports}
        world.start(world.create("one", body))
        await clock.advance(3)
        assert world.serving(8000) is None
        assert world.port_in_use(8000)
        await clock.advance(60)
        assert world.serving(8000) is not None


async def told(folder: Path, seed: int) -> list[str]:
    """A container's log, of a box with a clock that only moves when told to."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with simulated(folder, clock=clock, seed=seed) as rig:
        box = await rig.box()
        async with passing(clock):
            await serving(box)
        (container,) = rig.sim.boxes[0].world.containers.values()
        return [text for _, text in container.log]


async def test_the_log_tells_the_phases_in_vllms_words(tmp_path: Path) -> None:
    log = await told(tmp_path, seed=1)
    marks = [
        "vLLM API server version 0.32.0",
        "Initializing a V1 LLM engine (v0.32.0)",
        "Starting to load model openai/gpt-oss-20b...",
        "Loading safetensors checkpoint shards:   0% Completed",
        "Loading safetensors checkpoint shards: 100% Completed",
        "Model loading took",
        "torch.compile took 2.61 s in total",
        "GPU KV cache size:",
        "Graph capturing finished",
        "init engine (profile, create kv cache, warmup model) took",
        "Application startup complete.",
    ]
    at = [next(n for n, line in enumerate(log) if mark in line) for mark in marks]
    assert at == sorted(at)


async def test_a_dead_container_holds_no_memory(rig: Rig) -> None:
    world = rig.sim.boxes[0].world
    container: Container = next(iter(world.containers.values()))
    assert world.gpus()[0].used_mib > 60_000
    world.stop(container, 137)
    await until(lambda: world.gpus()[0].used_mib == 4, "the GPU is free")
    assert (container.state, container.exit_code, container.engine) == ("exited", 137, None)
