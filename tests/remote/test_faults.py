"""Boxes with something wrong: each fault ends as a sentence that says what to do next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gptoss_tui.domain.chat import ChatMessage, ChatRequest
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.domain.progress import LaunchProgress, PhaseName
from gptoss_tui.errors import (
    ConflictError,
    DoesNotFitError,
    EngineError,
    LaunchError,
    NotFoundError,
)
from gptoss_tui.sim.faults import FAULTS, Fault
from gptoss_tui.sim.profile import H100, Profile
from tests.remote.support import (
    WARM,
    bodies,
    fleet_of,
    replaced,
    serving,
    simulated,
    spec_on,
    watched,
)

HI = ChatRequest(messages=(ChatMessage(role="user", content="hi"),))


def faulty(fault: Fault, profile: Profile = WARM) -> Profile:
    return replace(profile, faults=frozenset({fault}))


def failed_phase(progress: LaunchProgress) -> PhaseName | None:
    return next((phase.name for phase in progress.phases if phase.state == "failed"), None)


async def test_an_image_that_does_not_exist(tmp_path: Path) -> None:
    cold = Profile("cold", (H100,))
    async with simulated(tmp_path, faulty("image_missing", cold)) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        last = (await watched(box, spec.launch_id))[-1]
        assert not rig.sim.boxes[0].world.containers
    assert (last.state, failed_phase(last)) == ("failed", "pull")
    assert last.error.startswith("The image does not exist: manifest for vllm/vllm-openai")
    assert "--image" in last.next_step


async def test_a_tag_that_does_not_exist_on_a_sound_box(tmp_path: Path) -> None:
    async with simulated(tmp_path) as rig:
        box = await rig.box()
        spec = await spec_on(box, image="vllm/vllm-openai:no-such-tag")
        await box.launch(spec, Secrets())
        last = (await watched(box, spec.launch_id))[-1]
    assert "vllm/vllm-openai:no-such-tag" in last.error
    assert "The image does not exist" in last.error


async def test_a_port_that_something_else_has(tmp_path: Path) -> None:
    async with simulated(tmp_path, faulty("port_taken")) as rig:
        box = await rig.box()
        with pytest.raises(ConflictError, match=r"Port 8000 of the box is taken\."):
            await spec_on(box, port=8000)
        spec = await spec_on(box)
        assert spec.port == 8001  # the first free one
        # Taken between the look and the start: Docker is the one who notices.
        late = replaced(spec, port=8000)
        await box.launch(late, Secrets())
        last = (await watched(box, late.launch_id))[-1]
        assert not rig.sim.boxes[0].world.containers  # nothing half-made stays
    assert (last.state, failed_phase(last)) == ("failed", "start")
    assert last.error.startswith("The port is taken:")
    assert "Choose another port (--port)" in last.next_step


async def test_a_server_that_dies_while_it_loads_tells_its_cause(tmp_path: Path) -> None:
    async with simulated(tmp_path, faulty("dies_loading"), speed=20.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        last = (await watched(box, spec.launch_id))[-1]
        later = (await watched(box, spec.launch_id))[-1]
        (instance,) = (await box.instances()).body.instances
        lines = [line.text for line in await bodies(box.logs(spec.name))]
    assert last.state == "failed"
    assert "memory" in last.error
    assert last.error == "The GPU's memory ran out."
    assert "a shorter context" in last.next_step
    assert any("stopped container gpt-oss-20b" in left for left in last.leftovers)
    assert (instance.state, instance.exit_code) == ("failed", 1)
    assert "Engine core initialization failed" in lines[-1]
    assert (later.error, later.next_step) == (last.error, last.next_step)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "ollama"])
async def test_a_model_that_is_too_large_fails_while_it_loads(tmp_path: Path, engine: str) -> None:
    async with simulated(tmp_path, faulty("dies_loading"), speed=20.0) as rig:
        box = await rig.box()
        spec = await spec_on(box, engine=engine)
        await box.launch(spec, Secrets())
        last = (await watched(box, spec.launch_id))[-1]
    assert (last.state, failed_phase(last)) == ("failed", "load")
    assert last.diagnosis is not None
    assert last.diagnosis.cause == "gpu_memory"


async def test_a_failed_upgrade_brings_the_old_server_back(tmp_path: Path) -> None:
    """The one fault with which a roll-back can be tried: the first launch succeeds."""
    async with simulated(tmp_path, faulty("upgrade_dies")) as rig:
        box = await rig.box()
        old = await serving(box)
        new = replaced(old, engine_version="0.31.0")
        await box.launch(new, Secrets(), replaces=old.name)
        last = (await watched(box, new.launch_id))[-1]
        listed = {one.name: one for one in (await box.instances()).body.instances}
    assert (last.state, failed_phase(last)) == ("failed", "load")
    assert any("as it was before, started again" in left for left in last.leftovers)
    assert listed[old.name].launch_id == old.launch_id
    assert listed[f"{old.name}-{new.launch_id}"].state == "failed"


async def test_a_server_that_never_answered_is_not_called_ready(tmp_path: Path) -> None:
    async with simulated(tmp_path, faulty("no_answer")) as rig:
        box, world = await rig.box(), rig.sim.boxes[0].world
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        assert (await watched(box, spec.launch_id))[-1].state == "failed"
        (found,) = (await box.instances()).body.instances
        assert found.state == "unhealthy"
        assert "the model does not answer" in found.detail
        assert (await box.engine(spec.name)).body.healthy
        world.profile = replace(world.profile, faults=frozenset())
        await bodies(box.chat(spec.name, HI))
        (found,) = (await box.instances()).body.instances
        assert found.state == "ready"  # an answer was seen
        async with fleet_of(rig.sim, tmp_path / "later") as other:
            (found,) = (await (await other.connect("sim-1")).instances()).body.instances
    assert found.state == "ready"  # and is known to whoever looks later


async def test_what_nothing_is_known_of_is_called_by_its_health(tmp_path: Path) -> None:
    """The launches of another user, say: only the box's own answers are there."""
    async with simulated(tmp_path, faulty("no_answer")) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        await watched(box, spec.launch_id)
        rig.sim.boxes[0].world.launches.clear()
        (found,) = (await box.instances()).body.instances
    assert (found.state, found.managed) == ("ready", True)


async def test_a_dead_server_can_be_removed_and_launched_again(tmp_path: Path) -> None:
    async with simulated(tmp_path, faulty("dies_loading")) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        await watched(box, spec.launch_id)
        await box.stop(spec.name)
        assert (await box.instances()).body.instances == ()
        again = replaced(spec)
        assert await box.launch(again, Secrets()) == again.launch_id


async def test_a_server_that_answers_500(tmp_path: Path) -> None:
    async with simulated(tmp_path, faulty("server_500")) as rig:
        box = await rig.box()
        await serving(box)
        with pytest.raises(EngineError) as caught:
            await bodies(box.chat("gpt-oss-20b", HI))
        assert (await box.engine("gpt-oss-20b")).body.healthy  # and the rest still works
    assert caught.value.status == 500
    assert "answered 500: EngineCore encountered an issue" in caught.value.message
    assert "log" in caught.value.next_step


async def test_a_box_without_gpu_has_nothing_to_launch_on(tmp_path: Path) -> None:
    async with simulated(tmp_path, faulty("no_gpu")) as rig:
        box = await rig.box()
        with pytest.raises(DoesNotFitError, match=r"The box has no GPU\."):
            await spec_on(box)
        assert (await box.instances()).body.instances == ()


NO_DOCKER: list[tuple[Fault, str]] = [
    ("no_docker", "connect to server"),
    ("docker_denied", "password is required"),
]


@pytest.mark.parametrize(("fault", "why"), NO_DOCKER)
async def test_without_docker_nothing_launches(tmp_path: Path, fault: Fault, why: str) -> None:
    async with simulated(tmp_path, faulty(fault)) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        with pytest.raises(LaunchError, match="Docker does not answer") as caught:
            await box.launch(spec, Secrets())
        (record,) = await box.launches()
        assert (await box.instances()).body.instances == ()
        with pytest.raises(NotFoundError):
            await box.stop(spec.name)
    assert why in caught.value.message
    assert caught.value.next_step
    assert (record.body.state, failed_phase(record.body)) == ("failed", "reserve")


async def test_hostile_text_changes_no_outcome(tmp_path: Path) -> None:
    async with simulated(tmp_path, faulty("hostile_text")) as rig:
        box = await rig.box()
        await serving(box)
        assert (await bodies(box.chat("gpt-oss-20b", HI)))[-1].finish_reason == "stop"


def test_every_fault_of_the_simulator_is_tested() -> None:
    tests = Path(__file__).parents[1]
    names = (
        "remote/test_faults",
        "sim/test_broken_boxes",
        "remote/test_ready",
        "remote/test_podman",
    )
    places = [tests / f"{name}.py" for name in names]
    tested = "".join(place.read_text(encoding="utf-8") for place in places)
    assert [fault for fault in FAULTS if f'"{fault}"' not in tested] == []
