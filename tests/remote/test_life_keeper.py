"""Keeping a box connected: one owner of its link's facts, and no attempt that must not be made."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.host import LinkState
from gptoss_tui.errors import (
    AuthError,
    GptossError,
    UnansweredError,
    UnknownHostKeyError,
    UnknownNameError,
    UnreachableError,
)
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.keeper import Keeper
from gptoss_tui.remote.reconnect import PAUSES_S, STEADY_S, Backoff
from tests.app.fakes import Clock, FakeBox, FakeFleet
from tests.remote.support import until


class Instant(random.Random):
    """Jitter that leaves no pause, or (as a box is waited for) a long one."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def uniform(self, a: float, b: float) -> float:
        return self.factor


class Rig:
    def __init__(self, factor: float = 0.0) -> None:
        self.now = 0.0
        self.fleet = FakeFleet(Clock())
        self.box = FakeBox("alpha", self.fleet.hub)
        self.fleet.have(self.box)
        self.links: list[LinkState] = []
        self.fleet.hub.tap(self._tap)
        self.watched = self.unwatched = 0
        self.failures: list[GptossError] = []
        self.backoff = Backoff(lambda: self.now, Instant(factor))
        self.keeper = Keeper("alpha", self.fleet, self._watch, self.backoff)

    def _tap(self, fact: AnyFact) -> None:
        if isinstance(fact.body, LinkState):
            self.links.append(fact.body)

    async def _watch(self, box: Box) -> None:
        self.watched += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.unwatched += 1

    @property
    def phases(self) -> list[str]:
        return [link.phase for link in self.links]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.keeper.run(self.failures.append))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def back(self) -> None:
        self.box.phase = "up"
        self.box.lost.clear()


async def seen(holds: Callable[[], bool]) -> None:
    await until(holds, "the keeper came that far")


async def test_a_lost_box_is_connected_again_and_watched_again() -> None:
    rig = Rig()
    async with rig.running():
        await seen(lambda: rig.watched == 1)
        rig.now += STEADY_S
        rig.box.lose()
        await seen(lambda: rig.unwatched == 1)
        rig.back()
        await seen(lambda: rig.watched == 2)
    assert rig.phases[:5] == ["connecting", "up", "lost", "lost", "retrying"]
    assert rig.phases[-1] == "up"
    assert rig.unwatched == rig.watched  # cancelled with its keeper too
    assert rig.box.calls == []  # nothing that changes a box is repeated


async def test_a_box_that_is_away_is_tried_again_and_told_of_once() -> None:
    rig = Rig()
    rig.fleet.refuses["connect"] = UnreachableError("alpha does not answer.")
    async with rig.running():
        await seen(lambda: rig.backoff.failures > 4)
        rig.fleet.refuses.clear()
        await seen(lambda: rig.watched == 1)
    assert [error.message for error in rig.failures] == ["alpha does not answer."]
    assert "Next attempt in" in rig.links[1].reason


KEY = UnknownHostKeyError("?", host="h", port=22, fingerprint="SHA256:x", key="k")


@pytest.mark.parametrize(
    ("error", "phase"),
    [(AuthError("refused"), "lost"), (UnansweredError("hung up"), "needs_you"), (KEY, "needs_you")],
)
async def test_what_a_person_has_to_decide_is_not_tried_again(
    error: GptossError, phase: str
) -> None:
    rig = Rig()
    rig.fleet.refuses["connect"] = error
    with pytest.raises(type(error)):
        await rig.keeper.run(rig.failures.append)
    assert rig.phases == ["connecting", phase]


async def test_a_name_that_did_resolve_is_tried_again() -> None:
    """The laptop is off the network: its resolver knows no name at all."""
    rig = Rig()
    async with rig.running():
        await seen(lambda: rig.watched == 1)
        rig.fleet.refuses["connect"] = UnknownNameError("alpha is not known.")
        rig.box.lose()
        await seen(lambda: rig.backoff.failures > 3)
        rig.fleet.refuses.clear()
        rig.back()
        await seen(lambda: rig.watched == 2)


async def test_whoever_asks_does_not_wait_out_the_pause() -> None:
    rig = Rig(factor=3600.0)
    rig.fleet.refuses["connect"] = UnreachableError("alpha does not answer.")
    async with rig.running():
        await seen(lambda: rig.keeper.waiting)
        rig.fleet.refuses.clear()
        rig.keeper.hurry()
        await seen(lambda: rig.watched == 1)
    assert rig.backoff.pause() == PAUSES_S[0] * 3600  # and the pauses begin anew


async def test_the_links_own_changes_are_published_as_they_come() -> None:
    rig = Rig()
    rig.box.states = (
        LinkState(phase="up"),
        LinkState(phase="degraded", silent_s=5.0),
        LinkState(phase="degraded", silent_s=6.0),
        LinkState(phase="up"),
    )
    async with rig.running():
        await seen(lambda: len(rig.links) == 5)
    assert rig.phases == ["connecting", "up", "degraded", "degraded", "up"]
    assert [link.silent_s for link in rig.links[2:4]] == [5.0, 6.0]
    assert rig.watched == 1  # silence alone ends nothing
