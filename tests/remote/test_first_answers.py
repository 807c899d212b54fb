"""Whether a server whose launch failed has answered since: told anew, and asked for no oftener."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gptoss_tui.domain.chat import ChatMessage, ChatRequest
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.errors import DockerError
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.docker import Docker
from gptoss_tui.sim import launches
from gptoss_tui.sim.container import Container
from gptoss_tui.sim.world import World
from tests.remote.support import WARM, Rig, bodies, fleet_of, simulated, spec_on, until, watched

HI = ChatRequest(messages=(ChatMessage(role="user", content="hi"),))


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A box on which a server listens whose model has not answered its launch."""
    async with simulated(tmp_path, replace(WARM, faults=frozenset({"no_answer"}))) as made:
        box = await made.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        assert (await watched(box, spec.launch_id))[-1].state == "failed"
        yield made


@pytest_asyncio.fixture
async def box(rig: Rig) -> Box:
    return await rig.box()


def mend(rig: Rig) -> None:
    """From now on its model answers."""
    world = rig.sim.boxes[0].world
    world.profile = replace(world.profile, faults=frozenset())


def container(rig: Rig) -> Container:
    (only,) = rig.sim.boxes[0].world.containers.values()
    return only


async def listed(box: Box) -> Instance:
    (only,) = (await box.instances()).body.instances
    return only


async def test_an_answer_that_was_seen_from_elsewhere_counts_here(
    rig: Rig, box: Box, tmp_path: Path
) -> None:
    found = await listed(box)
    assert (found.state, "the model does not answer" in found.detail) == ("unhealthy", True)
    mend(rig)
    async with fleet_of(rig.sim, tmp_path / "other") as other:
        await bodies((await other.connect("sim-1")).chat(found.name, HI))
    assert (await listed(box)).state == "ready"


async def test_a_launch_that_has_ended_is_read_once(
    rig: Rig, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, ...]] = []
    listing = launches.listing

    def counted(world: World, words: tuple[str, ...]) -> str:
        read.append(tuple(words))
        return listing(world, words)

    monkeypatch.setattr(launches, "listing", counted)
    for _ in range(3):
        assert (await listed(box)).state == "unhealthy"
    assert [words for words in read if words != ("--running",)] == [
        ((await listed(box)).launch_id,)
    ]


async def test_what_nothing_is_known_of_is_asked_once(
    rig: Rig, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launch of another user, say."""
    asked: list[str] = []
    get = Docker.get

    async def counted(self: Docker, path: str, *more: Any) -> Any:
        asked.append(path)
        return await get(self, path, *more)

    rig.sim.boxes[0].world.launches.clear()
    monkeypatch.setattr(Docker, "get", counted)
    for _ in range(3):
        assert (await listed(box)).state == "ready"
    assert asked.count(f"/containers/{container(rig).id}/json") == 1


async def test_a_policy_that_could_not_be_given_is_given_with_the_next_answer(
    rig: Rig, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (await listed(box)).name
    mend(rig)

    async def refused(self: Docker, *words: Any, **more: Any) -> Any:
        raise DockerError("Docker restarts.")

    with monkeypatch.context() as patched:
        patched.setattr(Docker, "post", refused)
        await bodies(box.chat(name, HI))
    assert (await listed(box)).state == "ready", "the answer was seen"
    assert container(rig).restart_policy == "no"
    await bodies(box.chat(name, HI))
    assert container(rig).restart_policy == "unless-stopped"


async def test_a_server_that_was_started_again_is_told_by_its_health(rig: Rig, box: Box) -> None:
    found = await listed(box)
    before = container(rig).engine
    await box.restart(found.name, drain_s=0)
    await until(lambda: container(rig).engine not in (None, before), "it listens again")
    assert (await listed(box)).state == "ready"
    assert container(rig).restart_policy == "no", "it has not answered yet"
    mend(rig)
    await bodies(box.chat(found.name, HI))
    assert container(rig).restart_policy == "unless-stopped"
