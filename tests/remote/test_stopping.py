"""Stopping and restarting servers with requests on them, on simulated boxes over real SSH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gptoss_tui.domain.chat import ChatDone, ChatMessage, ChatRequest
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.errors import CommandError, ConflictError, GptossError, NotFoundError
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.docker import Docker
from gptoss_tui.sim import launches
from gptoss_tui.sim.profile import H100, Profile
from gptoss_tui.sim.world import World
from tests.remote.support import Rig, bodies, replaced, serving, simulated, spec_on, until, watched

NAME = "gpt-oss-20b"


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with simulated(tmp_path, speed=20.0) as made:
        yield made


@pytest_asyncio.fixture
async def box(rig: Rig) -> Box:
    return await rig.box()


def drains(rig: Rig) -> list[Draining]:
    found: list[Draining] = []

    def tap(fact: AnyFact) -> None:
        if isinstance(fact.body, Draining):
            found.append(fact.body)

    rig.fleet.hub.tap(tap)
    return found


async def streaming(rig: Rig, box: Box, count: int = 3) -> list[asyncio.Task[list[Any]]]:
    """Answers that stream now."""
    request = ChatRequest(messages=(ChatMessage(role="user", content="tell me a story"),))
    tasks = [asyncio.create_task(bodies(box.chat(NAME, request))) for _ in range(count)]
    container = next(iter(rig.sim.boxes[0].world.containers.values()))
    engine = container.engine
    assert engine is not None
    await until(lambda: engine.chats == count, "the answers stream")
    return tasks


async def aborting(box: Box) -> None:
    """A server whose version aborts running requests on SIGTERM."""
    spec = await spec_on(box)
    words = spec.arguments
    at = words.index("--shutdown-timeout")
    spec = replaced(spec, arguments=(*words[:at], *words[at + 2 :]))
    await box.launch(spec, Secrets())
    assert (await watched(box, spec.launch_id))[-1].state == "ready"


async def in_state(box: Box, state: str) -> str | None:
    """The container of the only server, once the box tells that state of it."""
    async with asyncio.timeout(20):
        while True:
            (now,) = (await box.instances()).body.instances
            if now.state == state:
                return now.container_id


def ended_well(answers: list[Any]) -> bool:
    return all(
        isinstance(pieces, list)
        and isinstance(pieces[-1], ChatDone)
        and pieces[-1].finish_reason == "stop"
        for pieces in answers
    )


@pytest.mark.parametrize("change", ["stop", "restart"])
async def test_a_stop_lists_the_servers_once(
    box: Box, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    await serving(box)
    asked: list[str] = []
    get = Docker.get

    async def counted(self: Docker, path: str, *more: Any) -> Any:
        asked.append(path)
        return await get(self, path, *more)

    monkeypatch.setattr(Docker, "get", counted)
    await getattr(box, change)(NAME)
    assert asked.count("/containers/json") == 1


async def test_an_engine_that_drains_ends_its_answers_and_takes_no_new_ones(
    rig: Rig, box: Box
) -> None:
    await serving(box)
    told = drains(rig)
    answers = await streaming(rig, box)
    stopping = asyncio.create_task(box.stop(NAME))
    await until(lambda: bool(told), "the drain is told of")
    assert (told[0].running, told[0].refuses_new) == (3, True)
    with pytest.raises(GptossError, match="shutting down"):
        await bodies(
            box.chat(NAME, ChatRequest(messages=(ChatMessage(role="user", content="hi"),)))
        )
    assert ended_well(await asyncio.gather(*answers, return_exceptions=True))
    assert (await stopping).body.text == f"{NAME} was stopped and its container removed."
    assert not rig.sim.boxes[0].world.containers


async def test_an_engine_that_aborts_is_watched_until_nothing_runs(rig: Rig, box: Box) -> None:
    await aborting(box)
    told = drains(rig)
    answers = await streaming(rig, box)
    notice = (await box.stop(NAME)).body
    assert ended_well(await asyncio.gather(*answers, return_exceptions=True))
    assert notice.text == f"{NAME} was stopped and its container removed."
    assert told
    assert not told[0].refuses_new
    assert 50 < told[0].left_s <= 60


async def test_without_a_drain_answers_are_cut_and_counted(rig: Rig, box: Box) -> None:
    await serving(box)
    told = drains(rig)
    answers = await streaming(rig, box)
    # The simulated box ends its requests at a signal as vLLM does: only the kill comes sooner.
    notice = (await box.stop(NAME, drain_s=0, grace_s=0)).body
    assert notice.text == f"{NAME} was stopped and its container removed. 3 requests were cut."
    assert not ended_well(await asyncio.gather(*answers, return_exceptions=True))
    assert told == []


async def test_a_cancelled_drain_leaves_the_server(rig: Rig, box: Box) -> None:
    await aborting(box)
    told = drains(rig)
    answers = await streaming(rig, box)
    stopping = asyncio.create_task(box.stop(NAME))
    await until(lambda: bool(told), "the drain is told of")
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert ended_well(await asyncio.gather(*answers, return_exceptions=True))
    assert (await box.instances()).body.instances[0].state == "ready"


@pytest.mark.parametrize(("change", "state"), [("stop", "exited"), ("restart", "ready")])
async def test_after_the_signal_the_box_ends_what_was_cancelled(
    rig: Rig, box: Box, change: str, state: str
) -> None:
    await serving(box)
    told = drains(rig)
    container = next(iter(rig.sim.boxes[0].world.containers.values()))
    began = container.started
    answers = await streaming(rig, box)
    changing = asyncio.create_task(getattr(box, change)(NAME))
    await until(lambda: bool(told), "the drain is told of")
    assert told[0].refuses_new
    changing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await changing
    assert ended_well(await asyncio.gather(*answers, return_exceptions=True))
    if change == "stop":
        await until(lambda: container.state == "exited", "it has ended")
    else:
        await until(lambda: container.started != began, "it was started again")
    assert await in_state(box, state) == container.id


async def test_a_restart_keeps_the_container_and_serves_again(rig: Rig, box: Box) -> None:
    await serving(box)
    (before,) = (await box.instances()).body.instances
    notice = (await box.restart(NAME)).body
    assert notice.text == f"{NAME} was restarted and loads again."
    assert await in_state(box, "ready") == before.container_id


async def loading(box: Box, world: World) -> str:
    """A launch whose container runs, and does not serve yet; its id."""
    spec = await spec_on(box)
    await box.launch(spec, Secrets())
    await until(
        lambda: [one.state for one in world.containers.values()] == ["running"],
        "its container runs",
    )
    return spec.launch_id


async def test_a_stop_of_a_server_that_is_being_launched_cancels_the_launch(
    tmp_path: Path,
) -> None:
    async with simulated(tmp_path, speed=0.05) as rig:
        box, world = await rig.box(), rig.sim.boxes[0].world
        launch_id = await loading(box, world)
        told = (await box.stop(NAME)).body.text
        last = (await watched(box, launch_id))[-1]
        assert (await box.instances()).body.instances == ()
    assert told.startswith(f"The launch of {NAME} was cancelled. What remains: the image ")
    assert (last.state, last.error) == ("cancelled", "The launch was cancelled.")


async def test_a_stop_while_the_image_is_pulled_cancels_the_launch(tmp_path: Path) -> None:
    async with simulated(tmp_path, Profile("cold", (H100,)), speed=0.05) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        (coming,) = (await box.instances()).body.instances
        assert (coming.being_launched, coming.container_id) == (True, None)
        told = (await box.stop(NAME)).body.text
        assert (await watched(box, spec.launch_id))[-1].state == "cancelled"
    assert told == f"The launch of {NAME} was cancelled. Nothing of it remains."


async def test_a_cancel_that_takes_longer_is_no_stop_that_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker creates the container yet, say: the box answers before the launch has ended."""

    async def gives_up(world: World, launch_id: str) -> tuple[str, int]:
        return "@1767225600 create\n", 0

    async with simulated(tmp_path, speed=0.05) as rig:
        box = await rig.box()
        launch_id = await loading(box, rig.sim.boxes[0].world)
        with monkeypatch.context() as patched:
            patched.setattr(launches, "cancel", gives_up)
            told = (await box.cancel(launch_id)).body.text
            with pytest.raises(CommandError, match="not stopped yet") as caught:
                await box.stop(NAME)
        await box.cancel(launch_id)
    assert told == caught.value.next_step
    assert told.startswith(f"The launch of {NAME} is being cancelled: ")


async def test_a_server_that_is_being_launched_is_not_restarted(tmp_path: Path) -> None:
    async with simulated(tmp_path, speed=0.05) as rig:
        box = await rig.box()
        launch_id = await loading(box, rig.sim.boxes[0].world)
        with pytest.raises(ConflictError, match="still being launched") as refused:
            await box.restart(NAME)
        assert launch_id in refused.value.next_step
        await box.cancel(launch_id)


async def test_who_stopped_it_elsewhere_is_told_from_a_failure(tmp_path: Path) -> None:
    """`docker stop`, while it loads."""
    async with simulated(tmp_path, speed=0.05) as rig:
        box, world = await rig.box(), rig.sim.boxes[0].world
        launch_id = await loading(box, world)
        world.stop(next(iter(world.containers.values())))
        last = (await watched(box, launch_id))[-1]
    assert last.state == "failed"
    assert last.error.startswith("The server was stopped while it loaded (exit code 0)")


async def test_the_first_look_after_a_restart_asks_the_server_that_runs_now(
    rig: Rig, box: Box
) -> None:
    """What was kept open to the one before is closed by the box."""
    await serving(box)
    container = next(iter(rig.sim.boxes[0].world.containers.values()))
    await box.engine(NAME)
    before = container.engine
    await box.restart(NAME, drain_s=0)
    await until(lambda: container.engine not in (None, before), "it serves again")
    assert [one.state for one in (await box.instances()).body.instances] == ["ready"]


async def test_servers_of_others_are_not_restarted(rig: Rig, box: Box) -> None:
    world = rig.sim.boxes[0].world
    world.start(world.create("theirs", {"Image": "vllm/vllm-openai:v0.32.0", "Cmd": ["x"]}))
    with pytest.raises(NotFoundError, match="not launched by gptoss-tui"):
        await box.restart("theirs")
