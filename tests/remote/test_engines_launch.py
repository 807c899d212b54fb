"""SGLang and Ollama launched over SSH on a simulated box: until the model itself has answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptoss_tui.domain.chat import ChatDelta, ChatMessage, ChatRequest
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.domain.progress import LaunchProgress, Phase, PhaseName
from gptoss_tui.domain.secret import Secret
from gptoss_tui.remote.box import Box
from gptoss_tui.sim.profile import H100, Profile
from tests.remote.support import opened, simulated, spec_on, watched

COLD = Profile("cold", (H100, H100))
WARM = Profile("warm", (H100, H100), weights_cached=True)


def phase_of(progress: LaunchProgress, name: PhaseName) -> Phase:
    return next(phase for phase in progress.phases if phase.name == name)


async def said(box: Box, name: str, key: Secret | None = None) -> dict[str, str]:
    """What a chat brings, by channel."""
    request = ChatRequest(messages=(ChatMessage(role="user", content="Hello!"),))
    found = {"reasoning": "", "answer": ""}
    async with opened(box.chat(name, request, key)) as facts:
        async for fact in facts:
            if isinstance(fact.body, ChatDelta):
                found[fact.body.channel] += fact.body.text
    return found


@pytest.mark.parametrize("engine", ["sglang", "ollama"])
async def test_from_a_bare_box_to_an_answer(tmp_path: Path, engine: str) -> None:
    async with simulated(tmp_path, COLD, speed=15.0) as rig:
        box = await rig.box()
        spec = await spec_on(box, engine=engine)
        await box.launch(spec, Secrets())
        steps = await watched(box, spec.launch_id)
        last = steps[-1]
        assert (last.state, last.error) == ("ready", "")
        sizes = [phase_of(step, "weights").done_bytes or 0 for step in steps]
        assert sizes == sorted(sizes)
        assert len(set(sizes)) > 3, "the download was seen"
        for name in ("pull", "weights", "load", "warmup", "ready"):
            assert phase_of(last, name).state == "done", name
        (instance,) = (await box.instances()).body.instances
        assert (instance.engine, instance.state) == (engine, "ready")
        assert instance.spec == spec
        answer = await said(box, spec.name)
    assert answer["answer"].startswith("Hello! The connection works")
    assert answer["reasoning"] == "A greeting. Answer briefly."


async def test_sglangs_figures_are_read(tmp_path: Path) -> None:
    async with simulated(tmp_path, WARM, traffic=6.0) as rig:
        box = await rig.box()
        spec = await spec_on(box, engine="sglang")
        await box.launch(spec, Secrets())
        await watched(box, spec.launch_id)
        # Once it is over its log is read whole, however quickly it went.
        last = (await watched(box, spec.launch_id))[-1]
        snapshot = (await box.engine(spec.name)).body
    assert (snapshot.healthy, snapshot.metrics, snapshot.model) == (True, True, spec.served_name)
    assert snapshot.kv_cache_tokens == last.measured.kv_tokens
    assert snapshot.kv_cache_max_concurrency == pytest.approx(
        (snapshot.kv_cache_tokens or 0) / 32_768
    )
    assert last.measured.weights_gib


async def test_ollama_serves_what_the_plan_says(tmp_path: Path) -> None:
    async with simulated(tmp_path, WARM) as rig:
        box = await rig.box()
        spec = await spec_on(box, engine="ollama")
        await box.launch(spec, Secrets())
        last = (await watched(box, spec.launch_id))[-1]
        (container,) = rig.sim.boxes[0].world.containers.values()
        assert container.loaded == spec.served_name == "gpt-oss:20b"
        assert container.environment["OLLAMA_CONTEXT_LENGTH"] == "32768"
        assert phase_of(last, "weights").done_bytes is None, "the model was there"
        assert (await box.engine(spec.name)).body.metrics is False


async def test_sglang_behind_a_key(tmp_path: Path) -> None:
    key = Secret("sk-secret")
    async with simulated(tmp_path, WARM) as rig:
        box = await rig.box()
        spec = await spec_on(box, engine="sglang", api_key=True)
        await box.launch(spec, Secrets(api_key=key))
        assert (await watched(box, spec.launch_id))[-1].state == "ready"
        assert (await said(box, spec.name, key))["answer"]
        assert b"sk-secret" not in rig.sim.boxes[0].world.launches[spec.launch_id].log


@pytest.mark.parametrize("engine", ["vllm", "sglang", "ollama"])
async def test_a_server_that_never_answers_is_not_ready(tmp_path: Path, engine: str) -> None:
    mute = Profile("mute", (H100,), weights_cached=True, faults=frozenset({"no_answer"}))
    async with simulated(tmp_path, mute) as rig:
        box = await rig.box()
        spec = await spec_on(box, engine=engine)
        await box.launch(spec, Secrets())
        last = (await watched(box, spec.launch_id))[-1]
    assert last.state == "failed"
    assert "the model does not answer" in last.error
    assert any("still runs" in left for left in last.leftovers)


async def test_two_instances_of_two_engines_on_one_box(tmp_path: Path) -> None:
    async with simulated(tmp_path, WARM) as rig:
        box = await rig.box()
        specs = []
        for engine in ("sglang", "ollama"):
            spec = await spec_on(box, engine=engine)
            await box.launch(spec, Secrets())
            assert (await watched(box, spec.launch_id))[-1].state == "ready"
            specs.append(spec)
        listed = (await box.instances()).body.instances
        assert {instance.state for instance in listed} == {"ready"}
        assert len({spec.port for spec in specs}) == 2
        assert not set(specs[0].gpu_ids) & set(specs[1].gpu_ids)
        for spec in specs:
            assert (await said(box, spec.name))["answer"]
