"""An upgrade is the box's own affair: the link may drop at any step, two operators may want it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.secret import Secret
from gptoss_tui.domain.upgrade import moved_on, rolled_back, upgraded
from gptoss_tui.errors import ConflictError, NotFoundError
from gptoss_tui.remote.box import Box
from gptoss_tui.sim.clock import ManualClock
from gptoss_tui.sim.world import World
from tests.remote.support import (
    WARM,
    Rig,
    cut,
    fleet_of,
    passing,
    serving,
    simulated,
    until,
    watched,
)

OLD, NEW = "0.31.0", "0.32.0"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Upgraded:
    """gpt-oss-20b with a key by an older version; the new image must be pulled."""

    def __init__(self, rig: Rig, box: Box, clock: ManualClock, old: LaunchSpec) -> None:
        self.rig, self.box, self.clock, self.old = rig, box, clock, old
        (self.container,) = self.world.containers.values()

    @property
    def world(self) -> World:
        return self.rig.sim.boxes[0].world

    async def planned(self, box: Box, launch_id: str) -> LaunchSpec:
        return upgraded(
            self.old, (await box.look()).body, version=NEW, launch_id=launch_id,
            created_by="ann@laptop", created_at=NOW,
        ).spec  # fmt: skip

    async def begun(self, launch_id: str = "20260102-000000-0000aa") -> str:
        spec = await self.planned(self.box, launch_id)
        return await self.box.launch(spec, Secrets(), replaces=self.old.name)

    async def at(self, launch_id: str, step: str) -> None:
        """Let the box's time pass until its helper is at that step."""
        async with passing(self.clock):
            await until(lambda: self.world.launches[launch_id].step == step, step)

    async def ready(self, box: Box) -> Instance:
        """The server of that name once it answers; what was kept open to one before may be stale."""
        async with asyncio.timeout(10):
            while (found := await self.server(box)).state != "ready":
                pass
        return found

    async def server(self, box: Box) -> Instance:
        listed = (await box.instances()).body.instances
        return next(one for one in listed if one.name == self.old.name)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Upgraded]:
    clock = ManualClock(NOW)
    async with simulated(folder, WARM, clock=clock, traffic=6.0) as rig:
        box = await rig.box()
        world = rig.sim.boxes[0].world
        world.images = {f"vllm/vllm-openai:v{OLD}"}
        async with passing(clock):
            old = await serving(
                box, Secrets(api_key=Secret("sesame")), image=f"vllm/vllm-openai:v{OLD}",
                api_key=True,
            )  # fmt: skip
        yield Upgraded(rig, box, clock, structs.replace(old, engine_version=OLD))


@pytest.mark.parametrize("step", ["pull", "replace", "wait"])
async def test_a_link_that_drops_changes_nothing_of_an_upgrade(tmp_path: Path, step: str) -> None:
    async with served(tmp_path) as it:
        launch_id = await it.begun()
        await it.at(launch_id, step)
        cut(it.box)
        assert (it.container.state == "running") == (step != "wait")  # it serves for so long
        async with fleet_of(it.rig.sim, tmp_path / "laptop2") as fleet, passing(it.clock):
            other = await fleet.connect("sim-1")
            last = (await watched(other, launch_id))[-1]
            now = await it.ready(other)
        (new,) = it.world.containers.values()
    assert (last.state, last.error) == ("ready", "")
    assert now.launch_id == launch_id
    assert (new.name, new.body["Image"]) == ("gpt-oss-20b", f"vllm/vllm-openai:v{NEW}")
    assert new.files["run/gptoss-tui/api_key"] == b"sesame"  # it went from one to the other there


@pytest.mark.parametrize("step", ["pull", "wait"])
async def test_a_server_that_is_being_upgraded_is_not_stopped(tmp_path: Path, step: str) -> None:
    """The upgrade would bring it back; cancelled, the server can be stopped as ever."""
    async with served(tmp_path) as it:
        launch_id = await it.begun()
        await it.at(launch_id, step)
        listed = (await it.box.instances()).body.instances
        assert [one.replaced_by for one in listed if one.name == it.old.name] == [launch_id]
        assert next(one.body.replaces for one in await it.box.launches()) == it.old.name
        for refused in (it.box.stop(it.old.name, drain_s=0), it.box.restart(it.old.name)):
            with pytest.raises(ConflictError, match=launch_id) as caught:
                await refused
            assert f"gptoss-tui cancel BOX {launch_id}" in caught.value.next_step
        async with passing(it.clock):
            await it.box.cancel(launch_id)
            await it.box.stop(it.old.name, drain_s=0)
        assert it.world.containers == {}


@pytest.mark.parametrize("step", ["pull", "replace", "wait"])
async def test_a_new_version_that_dies_is_rolled_back_without_anybody_there(
    tmp_path: Path, step: str
) -> None:
    async with served(tmp_path) as it:
        launch_id = await it.begun()
        await it.at(launch_id, step)
        cut(it.box)
        await it.at(launch_id, "wait")
        new = it.world.launches[launch_id].container
        assert new is not None
        it.world.stop(new, 1)  # it dies while it loads
        async with fleet_of(it.rig.sim, tmp_path / "laptop2") as fleet, passing(it.clock):
            other = await fleet.connect("sim-1")
            last = (await watched(other, launch_id))[-1]
            await until(lambda: it.container.engine is not None, "the old one serves again")
            now = await it.ready(other)
    assert last.state == "failed"
    assert rolled_back(last) == "gpt-oss-20b"
    assert (it.container.name, it.container.state) == ("gpt-oss-20b", "running")
    assert now.launch_id == it.old.launch_id


@pytest.mark.parametrize("step", ["pull", "replace", "wait"])
async def test_a_cancelled_upgrade_leaves_the_old_server_serving(tmp_path: Path, step: str) -> None:
    async with served(tmp_path) as it:
        launch_id = await it.begun()
        await it.at(launch_id, step)
        told = (await it.box.cancel(launch_id)).body.text
        async with passing(it.clock):
            await until(lambda: it.container.engine is not None, "the old one serves")
            now = await it.ready(it.box)
        assert list(it.world.containers.values()) == [it.container]
    assert ("as it was before, started again" in told) == (step != "pull")
    assert now.launch_id == it.old.launch_id


@pytest.mark.parametrize("step", ["pull", "replace", "wait"])
async def test_of_two_operators_the_second_is_told_who_is_at_it(tmp_path: Path, step: str) -> None:
    async with served(tmp_path) as it:
        first = await it.begun()
        async with fleet_of(it.rig.sim, tmp_path / "laptop2") as fleet:
            other = await fleet.connect("sim-1")
            before = await it.server(other)
            theirs = await it.planned(other, "20260102-000000-0000bb")
            await it.at(first, step)
            with pytest.raises((ConflictError, NotFoundError)) as refused:
                await other.launch(theirs, Secrets(), replaces=it.old.name)
            async with passing(it.clock):
                last = (await watched(it.box, first))[-1]
                now = await it.server(other)
        names = [container.name for container in it.world.containers.values()]
    if isinstance(refused.value, ConflictError):
        assert f"root is launching {first}" in str(refused.value)
    assert (last.state, names) == ("ready", ["gpt-oss-20b"])
    # What the second one planned for is not there any more: he has to look again.
    assert moved_on(before, now).startswith("gpt-oss-20b was replaced meanwhile by ann@laptop")
