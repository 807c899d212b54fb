"""Spot boxes over real SSH: the metadata service is asked where the firmware names a cloud."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.facts import AnyFact, Fact
from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.spot.notice import SpotNotice, withdrawn
from gptoss_tui.errors import CommandError, ConnectionLostError, NotFoundError, ReadOnlyError
from gptoss_tui.remote import spot
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.host_box import HostBox
from gptoss_tui.remote.preemption import drain_all
from gptoss_tui.remote.readonly import read_only
from gptoss_tui.sim.http import Request, Response
from gptoss_tui.sim.metadata import MetadataApi
from gptoss_tui.sim.world import World
from tests.remote.support import (
    FAST,
    WARM,
    Rig,
    bodies,
    cut,
    opened,
    serving,
    simulated,
    transport_of,
    until,
)
from tests.remote.test_stopping import NAME, ended_well, streaming

CLOUDS: tuple[Cloud, ...] = ("aws", "gcp", "azure")
LONG_S = 60 * FAST  # of the box: a minute of ours
KNOWN = SpotNotice(cloud="aws", action="rebalance")


class Quick:
    """A pulse with short pauses: nobody waits for the next question."""

    def seconds(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


@asynccontextmanager
async def spot_box(
    folder: Path, cloud: Cloud | None, **changes: Any
) -> AsyncIterator[tuple[Rig, HostBox, World]]:
    async with simulated(folder, replace(WARM, cloud=cloud), **changes) as rig:
        box = await rig.box()
        assert isinstance(box, HostBox)
        box._pulse = Quick()
        yield rig, box, rig.sim.boxes[0].world


def given(box: Box) -> Callable[[], Awaitable[Box]]:
    """A way to a box that is connected."""

    async def connect() -> Box:
        return box

    return connect


@asynccontextmanager
async def noticing(box: Box, known: SpotNotice | None = None) -> AsyncIterator[list[SpotNotice]]:
    """What the watch says, as it comes."""
    found: list[SpotNotice] = []

    async def watch() -> None:
        async with opened(box.watch_spot(known)) as facts:
            async for fact in facts:
                found.append(fact.body)

    task = asyncio.create_task(watch())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_notice_comes_once_and_may_be_withdrawn(tmp_path: Path, cloud: Cloud) -> None:
    async with spot_box(tmp_path, cloud) as (_, box, world), noticing(box) as found:
        assert await box.spot() is None
        world.preempt(notice_s=LONG_S)
        await until(lambda: bool(found), "the notice came")
        fact = await box.spot()
        assert fact is not None
        assert fact.body.ends
        assert fact.body.action == found[0].action
        world.keep()
        await until(lambda: len(found) > 1, "it was withdrawn")
        assert [notice.action for notice in found[1:]] == ["withdrawn"]
        assert (await box.look()).body.cloud == cloud


async def test_the_time_left_is_by_the_clock_of_the_cloud(tmp_path: Path) -> None:
    async with spot_box(tmp_path, "aws") as (_, box, world):
        world.preempt(notice_s=LONG_S)
        fact = await box.spot()
        assert fact is not None
        assert fact.body.deadline is not None
        assert fact.body.left_s == pytest.approx(LONG_S / FAST, abs=5)


async def test_no_other_box_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    async with spot_box(tmp_path, None) as (_, box, world):
        transport = transport_of(box)
        open_tcp = transport.open_tcp

        async def noted(host: str, port: int) -> Any:
            asked.append((host, port))
            return await open_tcp(host, port)

        monkeypatch.setattr(transport, "open_tcp", noted)
        world.preempt(notice_s=LONG_S)
        assert await bodies(box.watch_spot()) == []
        assert await bodies(box.watch_spot(KNOWN)) == []  # it does not say what it is
        await box.look()
        assert await box.spot() is None
    assert asked == []


async def test_a_box_on_demand_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_demand(api: MetadataApi, request: Request) -> Response:
        return Response(200, b"tok" if request.method == "PUT" else b"on-demand", "text/plain")

    monkeypatch.setattr(MetadataApi, "_aws", on_demand)
    async with spot_box(tmp_path, "aws") as (_, box, world):
        world.preempt(notice_s=LONG_S)
        assert await bodies(box.watch_spot()) == []
        assert await bodies(box.watch_spot(KNOWN)) == [withdrawn(KNOWN)]
        assert await box.spot() is None


async def test_a_service_that_refuses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MetadataApi, "_aws", lambda api, request: Response(503))
    async with spot_box(tmp_path, "aws") as (_, box, _world):
        with pytest.raises(CommandError, match="AWS takes this box back cannot be seen"):
            await bodies(box.watch_spot())
        with pytest.raises(CommandError, match="HTTP 503"):
            await box.spot()


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "answered 401.*hop-limit 2"), (403, "answered 403.*turned off, or a proxy")],
)
async def test_a_refusal_is_told_with_its_reason_and_is_no_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, reason: str
) -> None:
    monkeypatch.setattr(MetadataApi, "_aws", lambda api, request: Response(status))
    async with spot_box(tmp_path, "aws") as (_, box, _world):
        for asking in (bodies(box.watch_spot()), box.spot()):
            with pytest.raises(CommandError) as refused:
                await asking
            assert re.search(reason, str(refused.value))


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_token_that_does_not_come_this_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    """Behind one more hop its answer is dropped; the others come, where no token is `wanted`."""
    handle = MetadataApi.handle

    async def dropped(api: MetadataApi, request: Request) -> Response:
        if request.method == "PUT":
            await asyncio.Event().wait()
        if not wanted:
            request.headers["x-aws-ec2-metadata-token"] = "AQAEAE1ldGFkYXRh"
        return await handle(api, request)

    monkeypatch.setattr(MetadataApi, "handle", dropped)
    monkeypatch.setattr(spot, "_TOKEN_S", 0.2)
    async with spot_box(tmp_path, "aws") as (_, box, world):
        world.preempt(notice_s=LONG_S)
        if wanted:
            with pytest.raises(CommandError, match="answered 401"):
                await box.spot()
        else:
            fact = await box.spot()
            assert fact is not None
            assert fact.body.ends


async def test_what_cannot_be_seen_withdraws_nothing_and_is_told_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, refused = MetadataApi._aws, 0
    blind: list[bool] = []

    def moody(api: MetadataApi, request: Request) -> Response:
        nonlocal refused
        refused += bool(blind)
        return Response(403) if blind else answer(api, request)

    monkeypatch.setattr(MetadataApi, "_aws", moody)
    async with spot_box(tmp_path, "aws") as (_, box, world):
        world.preempt(notice_s=LONG_S)
        async with opened(box.watch_spot()) as facts:
            assert (await anext(facts)).body.ends
            blind.append(True)
            following = asyncio.create_task(_next(facts))
            await until(lambda: refused > 6, "it was refused again and again")
            assert not following.done()
            monkeypatch.setattr(spot, "BLIND_S", 0.1)
            with pytest.raises(CommandError, match="answered 403"):
                await following


async def _next(facts: AsyncIterator[Fact[SpotNotice]]) -> Fact[SpotNotice]:
    return await anext(facts)


@pytest.mark.parametrize("cloud", CLOUDS)
async def test_a_new_connection_goes_on_from_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: Cloud
) -> None:
    handle, asked = MetadataApi.handle, 0

    async def counted(api: MetadataApi, request: Request) -> Response:
        nonlocal asked
        asked += 1
        return await handle(api, request)

    async with spot_box(tmp_path, cloud) as (rig, box, world):
        world.preempt(notice_s=LONG_S)
        before = await box.spot()
        assert before is not None
        cut(box)
        await until(lambda: not box.link.open, "the link is lost")
        again = await rig.box()
        assert again is not box
        again._pulse = Quick()  # type: ignore[attr-defined]
        monkeypatch.setattr(MetadataApi, "handle", counted)
        async with noticing(again, before.body) as found:
            await until(lambda: asked > 6, "it was asked again and again")
            assert found == []
            world.keep()
            await until(lambda: bool(found), "it was withdrawn")
            assert [notice.action for notice in found] == ["withdrawn"]
        async with noticing(again, before.body) as found:  # nobody watched when that was
            await until(lambda: bool(found), "it is told as withdrawn")
            assert [notice.action for notice in found] == ["withdrawn"]


async def test_a_hiccup_and_a_token_that_is_over_are_got_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The token, who it is, and one whole round; then what may go wrong later on.
    answer, moods = MetadataApi._aws, [200, 200, 200, 200, 401, 200, 500, 503, 401, 401, 500]

    def moody(api: MetadataApi, request: Request) -> Response:
        status = moods.pop(0) if moods else 200
        return answer(api, request) if status == 200 else Response(status)

    monkeypatch.setattr(MetadataApi, "_aws", moody)
    async with spot_box(tmp_path, "aws") as (_, box, world), noticing(box) as found:
        await until(lambda: not moods, "all moods were seen")
        world.preempt(notice_s=LONG_S)
        await until(lambda: bool(found), "the notice came nevertheless")


async def test_the_watch_ends_with_the_box(tmp_path: Path) -> None:
    async with spot_box(tmp_path, "azure") as (_, box, world):
        world.preempt(notice_s=FAST)
        with pytest.raises(ConnectionLostError):
            await bodies(box.watch_spot())
        await until(lambda: box.link.phase == "lost", "the box is gone")


async def test_servers_are_drained_and_can_be_started_again(tmp_path: Path) -> None:
    told: list[Draining] = []

    def tap(fact: AnyFact) -> None:
        if isinstance(fact.body, Draining):
            told.append(fact.body)

    async with spot_box(tmp_path, "aws", speed=20.0) as (rig, box, world):
        await serving(box)
        answers = await streaming(rig, box)
        rig.fleet.hub.tap(tap)
        world.preempt(notice_s=60 * 20.0)
        fact = await box.spot()
        assert fact is not None
        assert await drain_all(given(box), lambda: 60.0) == (NAME,)
        assert ended_well(await asyncio.gather(*answers))
        assert told
        assert told[0].running == len(answers)
        (container,) = world.containers.values()
        assert container.state == "exited"
        assert await drain_all(given(box), lambda: 60.0) == ()
        await box.restart(NAME)
        assert container.state == "running"


async def test_a_read_only_session_sees_and_does_not_drain(tmp_path: Path) -> None:
    async with spot_box(tmp_path, "gcp") as (_, box, world):
        await serving(box)
        seen = read_only(box)
        world.preempt(notice_s=LONG_S)
        fact: Fact[SpotNotice] | None = await seen.spot()
        assert fact is not None
        assert fact.body.cloud == "gcp"
        with pytest.raises(ReadOnlyError, match="drain"):
            await drain_all(given(seen), lambda: 30.0)


async def test_only_servers_of_ours_are_drained(tmp_path: Path) -> None:
    async with spot_box(tmp_path, "aws") as (_, box, world):
        world.create("theirs", {"Image": "vllm/vllm-openai:v0.32.0", "Cmd": ["--port", "8000"]})
        assert await drain_all(given(box), lambda: 30.0) == ()
        with pytest.raises(NotFoundError):
            await box.drain("theirs", 30.0)
