"""What is watched goes on: after a fault, after a hiccup, and it is told once why it stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gptoss_tui.app import feeds
from gptoss_tui.app import messages as said
from gptoss_tui.domain.facts import Fact
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.errors import CommandError, DockerError
from gptoss_tui.remote.box import Cadence
from tests.app.fakes import FakeBox, FakeFleet
from tests.app.make import sample, server
from tests.app.support import Operator, at_app


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "AGAIN_S", 0.01)
    monkeypatch.setattr(feeds, "INSTANCES_S", 0.01)
    monkeypatch.setattr(feeds, "AGAIN_MOST_S", 0.02)


async def connected(operator: Operator) -> None:
    await operator.press("enter")
    await operator.sees("● connected")


def refusals(operator: Operator) -> list[str]:
    return [str(failure.error) for failure in operator.said(said.ActionFailed)]


async def test_a_docker_that_breaks_off_is_told_once_and_the_servers_stay(fleet: FakeFleet) -> None:
    box = fleet.boxes["alpha"]
    box.servers = (server(),)
    async with at_app(fleet) as operator:
        await connected(operator)
        await operator.sees("gpt-oss-20b ready")
        box.refuses["instances"] = DockerError("The conversation with Docker broke off.")
        await operator.hears("list the servers of alpha", "The conversation with Docker broke off.")
        for _ in range(20):
            await operator.settle()
        assert len(refusals(operator)) == 1
        await operator.sees("gpt-oss-20b ready")
        box.servers = (server("other"),)
        del box.refuses["instances"]
        await operator.sees("other ready")


async def test_a_fault_of_ours_does_not_end_the_watching(
    fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = fleet.boxes["alpha"]
    faults = iter([KeyError("names")])
    listed = box.instances

    async def instances(*, ask: bool = True) -> object:
        for fault in faults:
            raise fault
        return await listed()

    monkeypatch.setattr(box, "instances", instances)
    box.servers = (server(),)
    async with at_app(fleet) as operator:
        await connected(operator)
        await operator.hears("Something went wrong inside gptoss-tui")
        await operator.sees("gpt-oss-20b ready")


async def test_figures_of_the_gpus_begin_anew(
    fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    box: FakeBox = fleet.boxes["alpha"]
    box.samples = (sample(0),)
    begun: list[int] = []

    async def watch_gpus(cadence: Cadence) -> AsyncIterator[Fact[GpuSnapshot]]:
        begun.append(1)
        yield await box.gpus()
        if len(begun) == 2:
            raise CommandError("nvidia-smi told of no GPU.")
        # The first stream ends without a word: dmon was killed.
        if len(begun) > 2:
            await box._until_lost()

    monkeypatch.setattr(box, "watch_gpus", watch_gpus)
    async with at_app(fleet) as operator:
        await connected(operator)
        await operator.until(lambda: len(begun) == 3, "it begins a third time")
        assert refusals(operator) == []  # the report says what is wrong with GPUs
