"""Launching over SSH: the phases, the bytes, what is taken, cancelling, surviving the client."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gptoss_tui.domain.launch import Secrets
from gptoss_tui.domain.progress import PHASES, LaunchProgress, Phase, PhaseName
from gptoss_tui.errors import (
    CommandError,
    ConflictError,
    ConnectionLostError,
    NotFoundError,
)
from gptoss_tui.remote.box import Box
from gptoss_tui.sim.clock import ManualClock
from gptoss_tui.sim.profile import H100, Profile
from tests.remote.support import (
    Rig,
    cut,
    fleet_of,
    opened,
    passing,
    replaced,
    serving,
    simulated,
    spec_on,
    watched,
)

# Nothing is on this box yet: a launch pulls the image and downloads the weights.
COLD = Profile("cold", (H100, H100))
IMAGE_BYTES = (29 + 4 + 1370 + 96 + 2210 + 310 + 4460 + 1250 + 18 + 760) * 1024**2


def phase_of(progress: LaunchProgress, name: PhaseName) -> Phase:
    return next(phase for phase in progress.phases if phase.name == name)


def test_the_bytes_of_a_pull_are_those_of_the_image() -> None:
    from gptoss_tui.sim import pull

    assert sum(pull._LAYERS_MIB) * 1024**2 == IMAGE_BYTES


async def test_a_launch_goes_through_every_phase(tmp_path: Path) -> None:
    async with simulated(tmp_path, COLD, speed=40.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        assert await box.launch(spec, Secrets()) == spec.launch_id
        steps = await watched(box, spec.launch_id)
    last = steps[-1]
    assert (last.state, last.name, last.error) == ("ready", "gpt-oss-20b", "")
    assert [phase.name for phase in last.phases] == list(PHASES)
    assert {phase.state for phase in last.phases} == {"done"}
    shown = [step.current.name for step in steps if step.current]
    assert shown == sorted(shown, key=PHASES.index)
    assert {"pull", "weights", "load"} <= set(shown)


async def test_the_pull_shows_real_bytes_that_never_go_back(tmp_path: Path) -> None:
    async with simulated(tmp_path, COLD, speed=10.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        done: list[int] = []
        async with opened(box.watch_launch(spec.launch_id)) as facts:
            async for fact in facts:
                pull = phase_of(fact.body, "pull")
                done.append(pull.done_bytes or 0)
                if pull.state == "done":
                    break
    assert done == sorted(done)
    assert len(set(done)) >= 4
    assert 0 < sorted(set(done))[1] < IMAGE_BYTES
    assert (pull.done_bytes, pull.total_bytes) == (IMAGE_BYTES, IMAGE_BYTES)


async def test_phases_carry_the_times_of_the_box(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=20.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        last = (await watched(box, spec.launch_id))[-1]
    times = [phase.started_at for phase in last.phases if phase.started_at]
    assert times == sorted(times)
    load = phase_of(last, "load")
    assert load.started_at
    assert load.ended_at
    assert 2 / 20 < (load.ended_at - load.started_at).total_seconds() < 60
    assert load.fraction == 1.0


async def test_what_is_there_already_is_skipped(box: Box) -> None:
    spec = await spec_on(box)
    await box.launch(spec, Secrets())
    last = (await watched(box, spec.launch_id))[-1]
    assert (phase_of(last, "pull").state, phase_of(last, "pull").done_bytes) == ("skipped", None)
    assert "image is there" in phase_of(last, "pull").detail


async def test_the_container_is_what_the_spec_says(rig: Rig) -> None:
    box = await rig.box()
    spec = await serving(box, gpus=("1",), port=8123, name="mine")
    container = next(iter(rig.sim.boxes[0].world.containers.values()))
    host = container.body["HostConfig"]
    assert container.name == "mine"
    assert container.gpu_ids == [rig.sim.boxes[0].world.uuid(1)] == list(spec.gpu_ids)
    assert container.binding == ("127.0.0.1", 8123)
    assert host["ShmSize"] == spec.shm_bytes
    assert container.arguments == [spec.model, *spec.arguments]
    assert container.restart_policy == "unless-stopped"  # only once it was ready
    assert any(bind.startswith("/root/.cache/huggingface/hub:") for bind in _mounts(host))


def _mounts(host: dict[str, object]) -> list[str]:
    binds = host.get("Binds") or []
    mounts = host.get("Mounts") or []
    assert isinstance(binds, list)
    assert isinstance(mounts, list)
    return [str(bind) for bind in binds] + [f"{m['Source']}:{m['Target']}" for m in mounts]


async def test_the_same_gpu_port_or_name_cannot_be_taken_twice(tmp_path: Path) -> None:
    async with simulated(tmp_path, COLD, speed=1.0) as rig:
        box = await rig.box()
        first = await spec_on(box, gpus=("0",), port=8000, name="one")
        await box.launch(first, Secrets())
        free = await spec_on(box, gpus=("1",), port=8001, name="two")
        clashes = {
            f"gpu-{first.gpu_ids[0]}": replaced(free, gpu_ids=first.gpu_ids),
            "port-8000": replaced(free, port=8000),
            "name-one": replaced(free, name="one"),
        }
        for key, spec in clashes.items():
            with pytest.raises(ConflictError) as caught:
                await box.launch(spec, Secrets())
            assert f"root is launching {first.launch_id} with {key}" in caught.value.message
            assert "Choose another GPU, port or name" in caught.value.next_step
            assert caught.value.exit_code == 4
        await box.launch(free, Secrets())
        running = [fact.body for fact in await box.launches() if fact.body.state == "running"]
    assert [launch.launch_id for launch in running] == [free.launch_id, first.launch_id]


async def test_a_gpu_of_a_running_server_cannot_be_taken(box: Box) -> None:
    spec = await serving(box, gpus=("0",))
    with pytest.raises(ConflictError, match="a running server has gpu-"):
        await box.launch(replaced(spec, name="other", port=8001), Secrets())


async def test_two_clients_at_once_cannot_take_the_same_gpu(rig: Rig, tmp_path: Path) -> None:
    async with fleet_of(rig.sim, tmp_path / "other") as other:
        one, two = await rig.box(), await other.connect("sim-1")
        spec = await spec_on(one, gpus=("0",))
        rival = replaced(spec, name="rival", port=8001)
        results = await asyncio.gather(
            one.launch(spec, Secrets()), two.launch(rival, Secrets()), return_exceptions=True
        )
    kinds = sorted(type(result).__name__ for result in results)
    assert kinds == ["ConflictError", "str"]


async def test_cancelling_a_pull_leaves_no_container(tmp_path: Path) -> None:
    async with simulated(tmp_path, COLD, speed=1.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        cancelled = ""
        async with opened(box.watch_launch(spec.launch_id)) as facts:
            async for fact in facts:
                last = fact.body
                if not cancelled and (phase_of(last, "pull").done_bytes or 0) > 0:
                    cancelled = (await box.cancel(spec.launch_id)).body.text
        with pytest.raises(CommandError) as again:
            await box.cancel(spec.launch_id)
        assert not rig.sim.boxes[0].world.containers
        assert not rig.sim.boxes[0].world.images
    assert last.state == "cancelled"
    assert phase_of(last, "pull").state == "failed"
    assert "The launch of gpt-oss-20b was cancelled." in cancelled
    assert cancelled.endswith("Nothing of it remains.")  # Docker drops a pull that is broken off
    assert "already ended" in again.value.message


async def test_cancelling_while_it_loads_removes_the_container(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=3.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        async with opened(box.watch_launch(spec.launch_id)) as facts:
            async for fact in facts:
                if phase_of(fact.body, "load").state == "running":
                    break
        notice = (await box.cancel(spec.launch_id)).body.text
        record = next(iter(await box.launches())).body
        assert not rig.sim.boxes[0].world.containers
        assert [gpu.memory_used_bytes for gpu in (await box.gpus()).body.gpus] == [4 * 1024**2] * 2
    assert spec.image in notice
    assert record.state == "cancelled"
    assert record.leftovers


async def test_a_launch_survives_the_death_of_its_client(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with simulated(tmp_path, COLD, clock=clock) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        await clock.advance(2)
        seen: list[LaunchProgress] = []
        with pytest.raises(ConnectionLostError) as lost:
            await _watch_until_cut(box, spec.launch_id, seen)
        assert box.link.phase == "lost"
        async with fleet_of(rig.sim, tmp_path / "laptop2") as fleet:
            other = await fleet.connect("sim-1")
            found = [fact.body for fact in await other.launches()]
            listed = (await other.instances()).body.instances
            async with passing(clock):
                steps = await watched(other, spec.launch_id)
    assert "goes on" in lost.value.next_step
    assert 0 < (phase_of(seen[0], "pull").done_bytes or 0) < IMAGE_BYTES
    assert [(launch.launch_id, launch.state) for launch in found] == [(spec.launch_id, "running")]
    assert [(i.name, i.state, i.managed) for i in listed] == [("gpt-oss-20b", "launching", True)]
    assert steps[-1].state == "ready"
    assert phase_of(steps[-1], "pull").done_bytes == IMAGE_BYTES


async def _watch_until_cut(box: Box, launch_id: str, seen: list[LaunchProgress]) -> None:
    async with opened(box.watch_launch(launch_id)) as facts:
        async for fact in facts:
            seen.append(fact.body)
            cut(box)


async def test_a_launch_that_has_ended_can_still_be_read(box: Box) -> None:
    spec = await serving(box)
    steps = await watched(box, spec.launch_id)
    assert {step.state for step in steps} == {"ready"}
    figures = steps[-1].measured  # the engine printed them when it started
    assert figures.weights_gib == pytest.approx(13.5, rel=0.1)
    assert figures.kv_tokens == (await box.engine(spec.name)).body.kv_cache_tokens


async def test_an_unknown_launch_is_not_found(box: Box) -> None:
    with pytest.raises(NotFoundError, match="knows of no launch nothing"):
        await watched(box, "nothing")
    with pytest.raises(CommandError, match="there is no launch nothing here"):
        await box.cancel("nothing")


async def test_the_newest_launch_is_told_last_and_listed_first(rig: Rig) -> None:
    box = await rig.box()
    first = await serving(box, gpus=("0",))
    second = await serving(box, gpus=("1",))
    told: list[str] = []
    hub = rig.fleet.hub
    end = hub.tap(lambda fact: told.append(getattr(fact.body, "launch_id", "")))
    listed = [fact.body for fact in await box.launches()]
    end()
    assert told == [first.launch_id, second.launch_id]  # what it shows of the box is remembered
    assert [one.launch_id for one in listed] == [second.launch_id, first.launch_id]
    # Nobody watched: the box kept what the servers said of their start.
    assert all(one.measured.kv_tokens for one in listed)
    assert phase_of(listed[0], "load").state == "done"
