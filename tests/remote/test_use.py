"""Using a server over SSH: scrapes and rates, logs, chat, the forwarded port, stopping."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pytest

from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatMessage, ChatRequest
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import EngineError, NotFoundError, UsageError
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.resume import LogCursor
from tests.remote.support import Rig, bodies, opened, serving, simulated, spec_on, taken, until


def asked(prompt: str, max_tokens: int | None = None) -> ChatRequest:
    message = ChatMessage(role="user", content=prompt)
    return ChatRequest(messages=(message,), max_tokens=max_tokens)


async def test_a_server_is_listed_with_what_it_is(rig: Rig, box: Box) -> None:
    spec = await serving(box)
    (instance,) = (await box.instances()).body.instances
    assert (instance.name, instance.state, instance.managed) == ("gpt-oss-20b", "ready", True)
    assert (instance.engine, instance.model) == ("vllm", "openai/gpt-oss-20b")
    assert (instance.host, instance.port) == ("127.0.0.1", 8000)
    assert instance.gpu_ids == spec.gpu_ids == (rig.sim.boxes[0].world.uuid(0),)
    assert (instance.launch_id, instance.spec) == (spec.launch_id, spec)
    assert instance.needs_api_key is False


async def test_a_scrape_tells_health_pool_and_counters(box: Box) -> None:
    await serving(box)
    snapshot = (await box.engine("gpt-oss-20b")).body
    assert (snapshot.healthy, snapshot.metrics) == (True, True)
    assert snapshot.model == "openai/gpt-oss-20b"
    assert (snapshot.running, snapshot.waiting, snapshot.kv_cache_usage) == (0, 0, 0)
    assert snapshot.kv_cache_tokens is not None
    assert snapshot.kv_cache_tokens > 1_000_000
    assert snapshot.counters.finished == 0
    assert snapshot.rates is None  # one scrape has none


async def test_watching_an_engine_gives_rates_of_its_traffic(tmp_path: Path) -> None:
    async with simulated(tmp_path, traffic=8.0) as rig:
        box = await rig.box()
        await serving(box)
        facts = await taken(box.watch_engine("gpt-oss-20b", Cadence(period_s=0.1)), 4)
    first, *later = [fact.body for fact in facts]
    assert first.rates is None
    for snapshot in later:
        assert snapshot.healthy
        assert snapshot.rates is not None
        assert snapshot.rates.interval_s >= 0.1
        assert (snapshot.rates.generation_tokens_per_s or 0) > 100
        assert snapshot.rates.ttft is not None
        assert (snapshot.rates.ttft.p50_s or 0) > 0
        assert snapshot.rates.prefix_hit_ratio == pytest.approx(0.38)
    assert (later[-1].counters.generation_tokens or 0) > (first.counters.generation_tokens or 0)
    assert facts[0].instance == "gpt-oss-20b"


async def test_a_server_that_stops_is_unhealthy_and_not_an_error(rig: Rig, box: Box) -> None:
    await serving(box)
    world = rig.sim.boxes[0].world
    async with opened(box.watch_engine("gpt-oss-20b", Cadence(period_s=0.01))) as facts:
        assert (await anext(facts)).body.healthy is True
        world.stop(next(iter(world.containers.values())))
        async for fact in facts:
            if not fact.body.healthy:
                break
        assert (fact.body.healthy, fact.body.metrics, fact.body.rates) == (False, False, None)


async def test_the_tail_of_a_log_is_its_last_lines_with_the_box_time(box: Box) -> None:
    await serving(box)
    facts = [fact async for fact in box.logs("gpt-oss-20b", tail=3)]
    everything = await bodies(box.logs("gpt-oss-20b", tail=None))
    assert [fact.body.text for fact in facts] == [
        "(APIServer pid=1) INFO:     Started server process [1]",
        "(APIServer pid=1) INFO:     Waiting for application startup.",
        "(APIServer pid=1) INFO:     Application startup complete.",
    ]
    assert everything[-3:] == [fact.body for fact in facts]
    assert "vLLM API server version 0.32.0" in everything[0].text
    assert all(fact.box_time is not None for fact in facts)
    assert {fact.body.stream for fact in facts} == {"stderr"}


async def test_following_a_log_shows_new_lines_and_ends_with_the_server(rig: Rig, box: Box) -> None:
    await serving(box)
    world = rig.sim.boxes[0].world
    container = next(iter(world.containers.values()))
    async with opened(box.logs("gpt-oss-20b", tail=1, follow=True)) as facts:
        assert "startup complete" in (await anext(facts)).body.text
        container.say(world.clock.now(), "a new line")
        assert (await anext(facts)).body.text == "a new line"
        world.stop(container)
        assert [fact.body.text async for fact in facts] == [
            "(APIServer pid=1) INFO:     Shutting down"
        ]


async def test_a_log_goes_on_where_its_reader_stopped(box: Box) -> None:
    await serving(box)
    everything = await bodies(box.logs("gpt-oss-20b", tail=None))
    cursor = LogCursor()
    pieces = [
        fact.body
        for _ in everything
        for fact in await taken(box.logs("gpt-oss-20b", tail=None, cursor=cursor), 1)
    ]
    assert pieces == everything
    assert await bodies(box.logs("gpt-oss-20b", tail=None, cursor=cursor)) == []


async def test_a_log_says_where_another_run_of_the_server_begins(rig: Rig, box: Box) -> None:
    cursor = LogCursor()
    await serving(box)
    first = await bodies(box.logs("gpt-oss-20b", tail=None, cursor=cursor))
    assert not [line for line in first if line.ours]
    await box.restart("gpt-oss-20b", drain_s=0)
    again = await bodies(box.logs("gpt-oss-20b", tail=None, cursor=cursor))
    whole = await bodies(box.logs("gpt-oss-20b", tail=None))
    for lines in (again, whole):
        (mark,) = (number for number, line in enumerate(lines) if line.ours)
        assert "Shutting down" in lines[mark - 1].text
        assert lines[mark].text.startswith("--- from here on: container ")
        assert "vLLM API server version" in lines[mark + 1].text
    await box.stop("gpt-oss-20b", drain_s=0)
    await serving(box)
    other = await bodies(box.logs("gpt-oss-20b", tail=None, cursor=cursor))
    (container,) = rig.sim.boxes[0].world.containers
    marks = [line.text for line in other if line.ours]
    assert [container[:12] in mark for mark in marks][-1]


async def test_reasoning_and_answer_come_apart_and_are_measured(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=40.0) as rig:
        box = await rig.box()
        await serving(box)
        pieces = await bodies(box.chat("gpt-oss-20b", asked("Hello!")))
    *deltas, done = pieces
    said = {channel: "" for channel in ("reasoning", "answer")}
    for delta in deltas:
        assert isinstance(delta, ChatDelta)
        said[delta.channel] += delta.text
    assert said["reasoning"] == "A greeting. Answer briefly."
    assert said["answer"].startswith("Hello! The connection works end to end:")
    channels = [delta.channel for delta in deltas]
    assert channels == sorted(channels, reverse=True)  # all reasoning before the answer
    assert isinstance(done, ChatDone)
    assert done.finish_reason == "stop"
    assert done.completion_tokens == len(deltas)
    assert done.prompt_tokens
    assert done.ttft_s is not None
    assert done.answer_ttft_s is not None
    assert 0 < done.ttft_s <= done.answer_ttft_s <= done.total_s
    assert done.tokens_per_s is not None
    assert done.tokens_per_s >= (len(deltas) - 1) / done.total_s


async def test_a_limit_cuts_the_answer_and_says_so(box: Box) -> None:
    await serving(box)
    *deltas, done = await bodies(box.chat("gpt-oss-20b", asked("Hello!", max_tokens=3)))
    assert [delta.channel for delta in deltas] == ["reasoning"] * 3
    assert (done.finish_reason, done.completion_tokens, done.answer_ttft_s) == ("length", 3, None)


async def test_an_abandoned_chat_ends_on_the_box(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=20.0) as rig:
        box = await rig.box()
        await serving(box)
        engine = next(iter(rig.sim.boxes[0].world.containers.values())).engine
        assert engine is not None
        async with opened(box.chat("gpt-oss-20b", asked("Tell me of MXFP4"))) as facts:
            await anext(facts)
            assert engine.chats == 1
        await until(lambda: engine.chats == 0, "the box still generates")
        assert engine.finished == 0


async def test_an_answer_whose_server_dies_is_an_error_and_not_an_end(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=20.0) as rig:
        box, world = await rig.box(), rig.sim.boxes[0].world
        await serving(box)
        async with opened(box.chat("gpt-oss-20b", asked("Tell me of MXFP4"))) as facts:
            await anext(facts)
            world.stop(next(iter(world.containers.values())), 137)
            with pytest.raises(EngineError) as caught:
                [fact async for fact in facts]
    assert caught.value.status is None
    assert "see its log" in caught.value.next_step


async def test_too_long_a_prompt_is_the_servers_own_sentence(box: Box) -> None:
    await serving(box)
    with pytest.raises(EngineError) as caught:
        await bodies(box.chat("gpt-oss-20b", asked("x" * 200_000)))
    assert caught.value.status == 400
    assert "maximum context length is 32768" in caught.value.message
    assert "Shorten the prompt" in caught.value.next_step


async def test_the_forwarded_port_works_and_is_open_on_the_loopback_only(box: Box) -> None:
    await serving(box)
    async with box.forward("gpt-oss-20b") as opened_port:
        assert opened_port.base_url == f"http://127.0.0.1:{opened_port.port}/v1"
        assert opened_port.model == "openai/gpt-oss-20b"
        async with httpx.AsyncClient(trust_env=False) as client:
            listed = (await client.get(f"{opened_port.base_url}/models")).json()
            body = {"model": opened_port.model, "messages": [{"role": "user", "content": "hi"}]}
            reply = await client.post(f"{opened_port.base_url}/chat/completions", json=body)
        assert [model["id"] for model in listed["data"]] == ["openai/gpt-oss-20b"]
        assert reply.json()["choices"][0]["message"]["reasoning"] == "A greeting. Answer briefly."
        # Another address of this machine has nothing there (127.0.0.2 is one on Linux alone).
        for address in ("127.0.0.2", _own_address()):
            with pytest.raises(OSError, match=r".+"):
                await asyncio.open_connection(address, opened_port.port)
    with pytest.raises(OSError, match=r".+"):
        await asyncio.open_connection("127.0.0.1", opened_port.port)


def _own_address() -> str:
    """This machine's address towards others (no packet is sent)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"  # no network at all
        return str(probe.getsockname()[0])


async def test_a_port_of_this_machine_that_is_taken_is_a_sentence(box: Box) -> None:
    await serving(box)
    with socket.create_server(("127.0.0.1", 0)) as taken_port:
        port = taken_port.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            async with box.forward("gpt-oss-20b", port):
                pass
    assert str(port) in caught.value.message
    assert caught.value.next_step


async def test_stopping_removes_the_container_and_frees_its_gpu(rig: Rig, box: Box) -> None:
    await serving(box)
    notice = (await box.stop("gpt-oss-20b")).body
    assert (notice.ok, notice.text) == (True, "gpt-oss-20b was stopped and its container removed.")
    assert not rig.sim.boxes[0].world.containers
    assert (await box.instances()).body.instances == ()
    assert (await box.gpus()).body.gpus[0].memory_used_bytes == 4 * 1024**2
    with pytest.raises(NotFoundError):
        await box.stop("gpt-oss-20b")
    await serving(box)  # and the next launch finds everything free


async def test_what_somebody_else_started_is_seen_and_never_stopped(rig: Rig, box: Box) -> None:
    world = rig.sim.boxes[0].world
    body = {
        "Image": "vllm/vllm-openai:v0.32.0",
        "Cmd": ["openai/gpt-oss-20b"],
        "Labels": {"com.example": "theirs"},
        "HostConfig": {"PortBindings": {"8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "9000"}]}},
    }
    world.start(world.create("theirs", body))
    container = next(iter(world.containers.values()))
    await until(lambda: container.engine is not None, "their server is up")
    (instance,) = (await box.instances()).body.instances
    assert (instance.name, instance.managed, instance.state) == ("theirs", False, "ready")
    assert instance.port == 9000
    assert (await box.engine("theirs")).body.healthy
    assert (await bodies(box.chat("theirs", asked("hi"))))[-1].finish_reason == "stop"
    with pytest.raises(NotFoundError, match="not launched by gptoss-tui"):
        await box.stop("theirs")
    assert container.state == "running"


async def test_an_unknown_server_is_not_found_everywhere(box: Box) -> None:
    await serving(box)
    calls = [
        box.stop("nobody"),
        box.engine("nobody"),
        bodies(box.logs("nobody")),
        bodies(box.chat("nobody", asked("hi"))),
        taken(box.watch_engine("nobody", Cadence()), 1),
        box.forward("nobody").__aenter__(),
    ]
    for call in calls:
        with pytest.raises(NotFoundError, match=r"no server nobody .*gpt-oss-20b"):
            await call


async def test_a_key_of_the_server_is_needed_and_enough(rig: Rig, box: Box) -> None:
    await serving(box, Secrets(api_key=Secret("k-123")), api_key=True)
    (instance,) = (await box.instances()).body.instances
    assert instance.needs_api_key is True
    with pytest.raises(EngineError) as caught:
        await bodies(box.chat("gpt-oss-20b", asked("hi")))
    assert caught.value.status == 401
    assert "--api-key-file" in caught.value.next_step
    pieces = await bodies(box.chat("gpt-oss-20b", asked("hi"), Secret("k-123")))
    assert pieces[-1].finish_reason == "stop"


async def test_a_launch_that_has_no_container_yet_has_no_log(tmp_path: Path) -> None:
    from gptoss_tui.sim.profile import H100, Profile

    async with simulated(tmp_path, Profile("cold", (H100,)), speed=1.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        with pytest.raises(NotFoundError, match="has no container"):
            await bodies(box.logs(spec.name))
        with pytest.raises(NotFoundError, match="still being launched") as caught:
            await box.restart(spec.name)
    assert "Cancel the launch" in caught.value.next_step
