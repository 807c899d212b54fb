"""A box that allows one session at a time, or two: what is followed elsewhere comes by looks."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from gptoss_tui.domain.launch import Secrets
from gptoss_tui.remote import gpus, launch_log
from gptoss_tui.remote.box import Cadence
from gptoss_tui.sim import server as sim_server
from gptoss_tui.sim.launches import Launch
from tests.remote.support import FAST, opened, simulated, spec_on, transport_of, until


@pytest.mark.parametrize(
    ("allowed", "said"), [(1, "one session"), (2, "2 sessions"), (3, None), (10, None)]
)
async def test_check_tells_of_few_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int, said: str | None
) -> None:
    monkeypatch.setattr(sim_server, "MAX_SESSIONS", allowed)
    async with simulated(tmp_path) as rig:
        box = await rig.box()
        await box.look()
        notes = await rig.fleet.ssh_notes("sim-1")
        assert notes is not None
        assert ["session" in one for one in notes.fallbacks] == [True] * bool(said)
        assert said is None or f"MaxSessions {allowed}" in notes.fallbacks[0]
        assert said is None or said in notes.fallbacks[0]
        assert rig.sim.boxes[0].counters.sessions == 0
        assert rig.sim.boxes[0].counters.peak_sessions == min(allowed, 3)
        # What was learned does not have to be asked again, and all goes on.
        assert await rig.fleet.ssh_notes("sim-1") == notes
        done = await asyncio.gather(*(transport_of(box).run(("hostname",)) for _ in range(8)))
        assert len(done) == 8


async def test_figures_come_by_looks_where_one_session_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim_server, "MAX_SESSIONS", 1)
    monkeypatch.setattr(gpus, "LOOK_S", 0.01)
    async with simulated(tmp_path) as rig:
        box = await rig.box()
        seen: list[str] = []

        async def watch() -> None:
            async with opened(box.watch_gpus(Cadence(period_s=0.01))) as facts:
                async for fact in facts:
                    seen.append(fact.body.source)

        watching = asyncio.create_task(watch(), name="gpus")
        try:
            await until(lambda: "dmon" in seen, "it streams")
            # A command needs the session: the stream goes, and the figures go on.
            assert (await transport_of(box).run(("hostname",))).stdout == b"warm\n"
            before = len(seen)
            await until(lambda: len(seen) > before + 3, "more figures")
            assert set(seen[before + 1 :]) == {"query"}
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def test_a_launch_is_watched_where_one_session_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim_server, "MAX_SESSIONS", 1)
    monkeypatch.setattr(launch_log, "LOOK_S", 0.01)
    async with simulated(tmp_path, speed=FAST) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        states = [fact.body.state async for fact in box.watch_launch(spec.launch_id)]
    assert states[-1] == "ready"
    assert "running" in states


async def test_no_line_of_a_launch_comes_twice_when_its_stream_has_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim_server, "MAX_SESSIONS", 1)
    monkeypatch.setattr(launch_log, "LOOK_S", 0.01)
    monkeypatch.setattr(launch_log, "PART", 100)
    async with simulated(tmp_path, speed=0.001) as rig:
        box = await rig.box()
        log = bytearray(b"@1 begin {}\n@2 reserve\n@3 hal")
        rig.sim.boxes[0].world.launches["one"] = Launch("one", {}, b"", None, log)
        transport = transport_of(box)
        lines: list[str] = []

        async def follow() -> None:
            async with aclosing(launch_log.follow_log(transport, "one", 0)) as found:
                async for line in found:
                    lines.append(line)

        following = asyncio.create_task(follow(), name="follow")
        try:
            await until(lambda: len(lines) == 2, "two lines come")
            await transport.run(("hostname",))
            log += b"f\n" + b"".join(b"@%d tick\n" % n for n in range(50)) + b"@9 end\n"
            await until(lambda: "@9 end" in lines, "the last line comes")
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        assert lines == log.decode().splitlines()
