"""The simulated box's time, and that a box is the same one each time it is made."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gptoss_tui.sim import nvidia
from gptoss_tui.sim.clock import ManualClock, ScaledClock
from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.profile import profiles
from gptoss_tui.sim.world import World

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_manual_clock_moves_when_told_to_and_wakes_in_order() -> None:
    clock = ManualClock(EPOCH)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.seconds()))

    tasks = [asyncio.create_task(sleeper("a", 2, 2)), asyncio.create_task(sleeper("b", 1, 2, 9))]
    await asyncio.sleep(0)
    assert woken == []
    await clock.advance(5)
    assert woken == [("b", 1), ("a", 2), ("b", 3), ("a", 4)]
    assert (clock.seconds(), clock.now()) == (5, EPOCH + timedelta(seconds=5))
    await clock.advance(10)
    assert woken[4:] == [("b", 12)]
    await asyncio.gather(*tasks)


async def test_a_cancelled_sleeper_does_not_stop_the_clock() -> None:
    clock = ManualClock(EPOCH)
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await clock.advance(2)
    assert clock.seconds() == 2


async def test_a_scaled_clock_runs_faster_than_ours() -> None:
    loop = asyncio.get_running_loop()
    clock = ScaledClock(1000.0)
    began, ours = clock.seconds(), loop.time()
    await clock.sleep(20)
    took = loop.time() - ours
    assert clock.seconds() - began == pytest.approx(took * 1000, rel=0.2)
    assert clock.seconds() - began >= 19.9
    assert took < 5


async def test_a_fast_box_shows_the_time_that_its_clients_have() -> None:
    """Else a look would warn of its clock, and a countdown of its provider would be off."""
    clock = ScaledClock(1000.0)
    await clock.sleep(200)
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 1
    world = World(profiles(1)[0], clock)
    world.preempt(notice_s=60_000)
    ends = world.taken_back_at()
    assert ends is not None
    assert (ends - datetime.now(UTC)).total_seconds() == pytest.approx(60, abs=5)


def test_every_box_of_a_fleet_is_of_its_kind() -> None:
    names = [profile.hostname for profile in profiles(10)]
    assert len(set(names)) == 10
    assert names[0] == "h100-2x-1"
    assert names[9] == "h100-2x-10"  # the kinds repeat
    assert all(profile.has("no_gpu") for profile in profiles(3, frozenset({"no_gpu"})))


async def test_the_same_box_has_the_same_gpus_each_time() -> None:
    first, second = (World(profiles(1)[0], ManualClock(EPOCH), seed=1) for _ in range(2))
    assert nvidia.answer(first, ["-L"]) == nvidia.answer(second, ["-L"])
    uuids = {first.uuid(0), first.uuid(1), World(profiles(2)[1], ManualClock(EPOCH)).uuid(0)}
    assert len(uuids) == 3


def engine(**changes: float) -> EngineModel:
    pool = {"kv_tokens": 100_000, "kv_blocks": 6250, "max_concurrency": 10.0, "slots": 10}
    figures = {**pool, "rate": 200.0, "traffic": 5.0, "seed": 1, "since": 0.0}
    return EngineModel(**{**figures, **changes})  # type: ignore[arg-type]


def test_an_idle_engine_does_nothing() -> None:
    idle = engine(traffic=0.0)
    idle.count(1000)
    assert (idle.running(1000), idle.waiting(1000), idle.generated) == (0, 0, 0)
    assert idle.kv_usage(1000) == 0


def test_more_requests_than_slots_wait_and_fill_the_cache() -> None:
    busy = engine(traffic=40.0)
    assert busy.running(100) == 10
    assert busy.waiting(100) > 0
    assert 0.85 < busy.kv_usage(100) < 1.0
    busy.count(100)
    assert busy.preemptions > 0


def test_the_same_seed_counts_the_same() -> None:
    one, two, other = engine(), engine(), engine(seed=2)
    for model in (one, two, other):
        model.count(60)
    assert one.ttft.counts == two.ttft.counts
    assert one.ttft.counts != other.ttft.counts
    assert one.generated > 1000
