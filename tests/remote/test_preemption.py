"""A drain before the box goes away: through lost links, and past servers that hang."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gptoss_tui.domain.draining import Draining, StopPlan
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Notice
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import (
    ConnectionLostError,
    DockerError,
    EngineError,
    GptossError,
    NoDockerError,
    NotFoundError,
)
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.draining import Drain
from gptoss_tui.remote.preemption import drain_all
from gptoss_tui.remote.pulse import REAL
from gptoss_tui.sim.http import Request, Response
from gptoss_tui.sim.vllm_api import VllmApi
from tests.remote.support import Rig, cut, serving, simulated, until
from tests.remote.test_stopping import NAME, aborting, drains, streaming


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with simulated(tmp_path, speed=20.0) as made:
        yield made


def told(rig: Rig) -> list[str]:
    """What the notices say, as they come."""
    found: list[str] = []

    def tap(fact: AnyFact) -> None:
        if isinstance(fact.body, Notice):
            found.append(fact.body.text)

    rig.fleet.hub.tap(tap)
    return found


# --- lost links ---------------------------------------------------------------------------------


@pytest.mark.parametrize("aborts", [True, False])
async def test_a_link_that_is_lost_in_the_middle_of_it_does_not_end_it(
    rig: Rig, aborts: bool
) -> None:
    """Before the signal (it is watched until nothing runs) and after it (the engine drains)."""
    box = await rig.box()
    await (aborting(box) if aborts else serving(box))
    seen, said = drains(rig), told(rig)
    answers = await streaming(rig, box)
    draining = asyncio.create_task(drain_all(rig.box, lambda: 60.0))
    await until(lambda: bool(seen), "the drain is told of")
    cut(box)  # the answers, which came over it, end too
    await asyncio.gather(*answers, return_exceptions=True)
    assert await draining == (NAME,)
    (container,) = rig.sim.boxes[0].world.containers.values()
    assert container.state == "exited"
    assert any("its container stays." in text for text in said)


async def test_a_link_that_is_lost_before_it_began_is_made_anew(rig: Rig) -> None:
    box = await rig.box()
    await serving(box)
    cut(box)
    await until(lambda: not box.link.open, "the link is lost")
    failures: list[GptossError] = [ConnectionLostError("It is still away.")]

    async def connect() -> Box:
        if failures:
            raise failures.pop()
        return await rig.box()

    assert await drain_all(connect, lambda: 30.0) == (NAME,)
    (container,) = rig.sim.boxes[0].world.containers.values()
    assert container.state == "exited"


async def test_what_lasts_until_the_time_is_over_is_told(rig: Rig) -> None:
    over = time.monotonic() + 2.5
    tried = 0

    async def connect() -> Box:
        nonlocal tried
        tried += 1
        raise ConnectionLostError("It is away.")

    with pytest.raises(ConnectionLostError, match="It is away"):
        await drain_all(connect, lambda: over - time.monotonic())
    assert tried > 1


async def test_a_docker_that_does_not_answer_is_not_taken_for_one_without_servers(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be restarting: as long as there is time, it is asked again."""
    box = await rig.box()
    await serving(box)
    silent = [True, True]
    look, instances = box.look, box.instances

    async def no_look() -> Any:
        fact = await look()
        return _Told(BoxReport(hostname="x")) if silent and silent.pop() else fact

    async def no_instances(*, ask: bool = True) -> Any:
        fact = await instances(ask=ask)
        return _Told(type(fact.body)(instances=())) if silent else fact

    monkeypatch.setattr(box, "look", no_look)
    monkeypatch.setattr(box, "instances", no_instances)
    with pytest.raises(NoDockerError, match="not known"):
        await drain_all(rig.box, lambda: 0.0)
    assert await drain_all(rig.box, lambda: 30.0) == (NAME,)


class _Told:
    """A fact that is only read."""

    def __init__(self, body: Any) -> None:
        self.body = body


async def test_a_server_that_somebody_else_has_removed_is_no_failure(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await rig.box()
    await serving(box)
    drain = box.drain

    async def late(name: str, within_s: float) -> Any:
        await box.stop(name, drain_s=0)
        return await drain(name, within_s)

    monkeypatch.setattr(box, "drain", late)
    assert await drain_all(rig.box, lambda: 30.0) == (NAME,)


# --- servers that hang --------------------------------------------------------------------------


async def test_a_server_that_hangs_is_stopped_in_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await rig.box()
    await aborting(box)

    async def hang(api: VllmApi, request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(VllmApi, "handle", hang)
    stopped: list[float] = []
    (container,) = rig.sim.boxes[0].world.containers.values()
    began = time.monotonic()

    async def watch() -> None:
        await until(lambda: container.state == "exited", "it is stopped", 30.0)
        stopped.append(time.monotonic() - began)

    watching = asyncio.create_task(watch())
    assert await drain_all(rig.box, lambda: 11.0) == (NAME,)
    await watching
    assert stopped[0] < 11.0


SILENT = EngineError("It does not answer.")


class Server:
    """Answers with what is left to say; hangs after it."""

    def __init__(self, *says: float | EngineError | None) -> None:
        self._says = list(says)
        self.signalled_at: float | None = None
        self._began = time.monotonic()
        self.told: list[Draining] = []
        self.asked = 0

    async def scrape(self) -> EngineSnapshot:
        self.asked += 1
        if not self._says:
            await asyncio.Event().wait()
        said = self._says.pop(0)
        if isinstance(said, EngineError):
            raise said
        return EngineSnapshot(running=said)

    async def signal(self) -> None:
        self.signalled_at = time.monotonic() - self._began

    async def stopped(self, watch_s: int = 0, engine_s: int = 0, **more: float) -> float | None:
        plan = StopPlan(watch_s=watch_s, engine_s=engine_s, grace_s=engine_s + 5)
        return await Drain(self.scrape, self.told.append, REAL).run(plan, self.signal, **more)


async def test_no_look_lasts_longer_than_the_watch() -> None:
    server = Server(3.0)
    assert await server.stopped(watch_s=2) is None
    assert server.signalled_at is not None
    assert server.signalled_at < 4
    assert [one.running for one in server.told] == [3.0]


async def test_the_engine_gets_its_signal_before_anybody_looks() -> None:
    server = Server()
    assert await server.stopped(engine_s=20) == 0
    assert server.signalled_at is not None
    assert server.signalled_at < 1


class Slow(Server):
    """Its process ends so long after the signal."""

    takes_s = 0.0

    async def signal(self) -> None:
        await super().signal()
        await asyncio.sleep(self.takes_s)


async def test_an_engine_that_has_closed_its_port_has_ended_what_ran() -> None:
    """The rest of its process may last beyond the limit."""
    server = Slow(50.0, SILENT, SILENT)
    server.takes_s = 4.5
    assert await server.stopped(engine_s=4) == 0


async def test_what_runs_at_the_limit_is_cut() -> None:
    for says in ((3.0, 3.0, 3.0), (3.0, SILENT, 3.0), (3.0, 3.0, SILENT, SILENT, SILENT)):
        server = Slow(*says)
        server.takes_s = 2.5 if len(says) == 3 else 4.5
        assert await server.stopped(engine_s=2) == 3.0


async def test_requests_are_counted_only_where_there_is_time_for_it() -> None:
    server = Server(2.0)
    assert await server.stopped(count_s=0.0) is None
    assert server.asked == 0
    assert await server.stopped(count_s=1.0) == 2.0
    assert await server.stopped(count_s=0.2) is None  # it hangs now
    silent = Server(SILENT)
    assert await silent.stopped() is None


async def test_a_signal_that_fails_is_told_and_ends_the_looks() -> None:
    class Broken(Server):
        async def signal(self) -> None:
            raise DockerError("It broke.")

    with pytest.raises(DockerError, match="It broke"):
        await Broken().stopped(engine_s=20)
    with pytest.raises(NotFoundError):
        await Gone(0.0, 0.0).stopped(watch_s=3)


class Gone(Server):
    async def signal(self) -> None:
        raise NotFoundError("It is gone.")
