"""The simulated SGLang answers, refuses, starts and drains as the real one was seen to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.domain.parse.chat import read_chunk
from gptoss_tui.domain.secret import Secret
from gptoss_tui.remote import http
from gptoss_tui.sim.container import Container
from tests.remote.support import Rig, serving, simulated, transport_of, until

SGLANG = engine_named("sglang")
KEY = {"Authorization": "Bearer sk-secret"}


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """One warm box on which SGLang serves behind a key."""
    async with simulated(tmp_path) as made:
        secrets = Secrets(api_key=Secret("sk-secret"))
        await serving(await made.box(), secrets, engine="sglang", api_key=True)
        yield made


@pytest_asyncio.fixture
async def client(rig: Rig) -> AsyncIterator[httpx.AsyncClient]:
    transport = transport_of(await rig.box())
    async with http.client(
        lambda: transport.open_tcp("127.0.0.1", 8000), base_url="http://sglang"
    ) as made:
        yield made


def container(rig: Rig) -> Container:
    (found,) = rig.sim.boxes[0].world.containers.values()
    return found


def ask(**changes: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello!"}]
    return {"model": "openai/gpt-oss-20b", "messages": messages, **changes}


async def test_what_the_key_guards(client: httpx.AsyncClient) -> None:
    for path in SGLANG.open_routes("0.5.23"):
        assert (await client.get(path)).status_code == 200, path
    for path in ("/v1/models", "/model_info", "/get_model_info", "/ping"):
        refused = await client.get(path)
        assert (refused.status_code, refused.json()) == (401, {"error": "Unauthorized"}), path
        assert (await client.get(path, headers=KEY)).status_code == 200, path
    listed = (await client.get("/v1/models", headers=KEY)).json()["data"]
    assert (listed[0]["owned_by"], listed[0]["root"]) == ("sglang", listed[0]["id"])


async def test_a_models_name_is_not_looked_at(client: httpx.AsyncClient) -> None:
    body = ask(model="nobody/knows-it", max_tokens=3)
    reply = await client.post("/v1/chat/completions", json=body, headers=KEY)
    assert (reply.status_code, reply.json()["model"]) == (200, "nobody/knows-it")


async def test_a_prompt_that_is_too_long(client: httpx.AsyncClient) -> None:
    long = [{"role": "user", "content": "word " * 200_000}]
    reply = await client.post("/v1/chat/completions", json=ask(messages=long), headers=KEY)
    assert reply.status_code == 400
    assert reply.json()["object"] == "error"
    assert "is longer than the model's context length" in read_chunk(reply.text).error


async def test_a_fresh_server_has_counted_nothing(client: httpx.AsyncClient) -> None:
    read = SGLANG.read_metrics((await client.get("/metrics")).text)
    assert (read.running, read.waiting) == (0, 0)
    assert read.kv_cache_tokens
    assert (read.counters.inter_token, read.counters.prefix_hits) == (None, None)


async def test_it_drains_and_goes_on_answering(rig: Rig, client: httpx.AsyncClient) -> None:
    world, served = rig.sim.boxes[0].world, container(rig)
    assert served.engine is not None
    served.engine.chats += 1  # somebody's answer, which streams
    stopping = asyncio.create_task(world.stop_by_signal(served, 1e9), name="stop")
    engine = served.engine
    await until(lambda: engine.draining_since is not None, "it drains")
    assert [(await client.get(path)).status_code for path in ("/health", "/ready", "/metrics")] == [
        503, 503, 200,
    ]  # fmt: skip
    new = await client.post("/v1/chat/completions", json=ask(max_tokens=3), headers=KEY)
    assert new.status_code == 200
    served.engine.chats -= 1
    await stopping
    assert (served.state, served.exit_code) == ("exited", 0)


async def test_its_log_has_the_phases_in_their_order(rig: Rig) -> None:
    marks = [mark for _, line in container(rig).log if (mark := SGLANG.read_log(line))]
    assert not any(mark.fatal for mark in marks)
    phases = list(dict.fromkeys(mark.phase for mark in marks))
    assert phases == ["weights", "load", "capture", "warmup"]
    figures = [mark.figures for mark in marks if mark.figures]
    assert any(found.kv_cache_gib for found in figures)


@pytest.mark.parametrize(("share", "serves"), [("0.1", False), ("0.18", True)])
async def test_what_little_memory_does(rig: Rig, share: str, serves: bool) -> None:
    """Without room for a cache it ends, with 0; with room for less than one context it serves."""
    world = rig.sim.boxes[0].world
    words = ["sglang", "serve", "openai/gpt-oss-20b", "--mem-fraction-static", share]
    small = world.create("small", {"Image": "lmsysorg/sglang:v0.5.23", "Cmd": words})
    world.start(small)
    await until(lambda: small.healthy or small.state == "exited", "it is over")
    refused = f"weights leave no GPU memory for the KV cache under --mem-fraction-static={share}"
    assert any(refused in line for _, line in small.log) != serves
    assert (small.healthy, small.exit_code) == (serves, 0)
    if small.engine is not None:
        assert small.engine.max_concurrency < 1
