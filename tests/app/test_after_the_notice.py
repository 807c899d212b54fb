"""After the notice that a provider takes a box back: what comes up later, and the box that is gone."""

from __future__ import annotations

import pytest

from gptoss_tui.app.preemption import WARNING_S
from gptoss_tui.app.screens import dialogs
from gptoss_tui.errors import DockerError, UnreachableError
from tests.app.fakes import Clock, FakeFleet
from tests.app.make import server
from tests.app.support import Operator, at_app
from tests.app.test_preemption import NOTICE, SERVERS, connect, drained, taken_back

COMING = server("mine", managed=True, state="launching", container_id="a" * 64)


async def comes_up(operator: Operator, fleet: FakeFleet) -> None:
    """What was being launched when the notice came is ready."""
    await operator.hears("alpha: AWS takes this box back and deletes it in 118 s.")
    fleet.boxes["alpha"].servers = SERVERS[:1]
    await fleet.boxes["alpha"].instances()


async def test_a_server_that_comes_up_after_the_notice_is_asked_about(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=(COMING,))
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await comes_up(operator, fleet)
        await operator.at("CountdownDialog")
        clock.pass_(18)
        await operator.sees("in 100 s")
        await operator.press("k")
        await operator.at("BoxesScreen")
        fleet.boxes["alpha"].servers = SERVERS[:2]  # the answer holds for what comes up later
        await fleet.boxes["alpha"].instances()
        await operator.settle()
        await operator.at("BoxesScreen")
        assert drained(fleet) == {}


async def test_a_server_that_comes_up_after_the_notice_is_drained_where_that_was_asked_for(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=(COMING,))
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.until(lambda: not operator.app.preemption.draining, "nothing to drain yet")
        await comes_up(operator, fleet)
        await operator.until(lambda: "mine" in drained(fleet), "it is drained")


async def test_a_server_that_comes_up_while_another_one_is_drained_is_drained_after_it(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[:1])
    alpha = fleet.boxes["alpha"]
    alpha.refuses["drain"] = DockerError("Docker restarts.")  # tried again till then
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.until(lambda: "mine" in drained(fleet), "its drain has begun")
        alpha.servers = SERVERS[:2]
        await alpha.instances()
        await operator.settle()
        assert list(drained(fleet)) == ["mine"]
        del alpha.refuses["drain"]
        await operator.until(lambda: "also-mine" in drained(fleet), "the other one is drained")


async def test_a_box_that_is_gone_is_said_to_be_taken_back(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[3:])
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.sees("▼ leaves")
        clock.pass_(119)
        fleet.refuses["connect"] = UnreachableError("Nothing answers at alpha.")
        fleet.boxes["alpha"].lose()
        await operator.sees("▼ taken back", "it is gone, it seems.")


async def test_a_box_that_is_lost_before_its_time_is_not_said_to_be_gone(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[3:])
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.sees("▼ leaves")
        clock.pass_(20)
        fleet.refuses["connect"] = UnreachableError("Nothing answers at alpha.")
        fleet.boxes["alpha"].lose()
        await operator.sees("↻ retrying", "▼ AWS takes this box back and deletes it at ")
        assert "taken back" not in operator.screen
        assert "it is gone" not in operator.screen
        clock.pass_(99)
        await operator.sees("▼ taken back", "it is gone, it seems.")


async def test_a_question_takes_the_place_of_what_was_said_before(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=(COMING,))
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.sees("alpha: AWS takes this box back")
        operator.app.notify("beta: AWS may take this box back.", timeout=WARNING_S)
        await operator.sees("beta: AWS")
        clock.pass_(18)
        await comes_up(operator, fleet)
        await operator.at("CountdownDialog")
        await operator.sees("in 100 s")
        assert "118 s" not in operator.screen
        await operator.press("k")
        await operator.at("BoxesScreen")
        await operator.sees("beta: AWS")
        assert "alpha: AWS" not in operator.screen


async def test_a_key_that_was_meant_for_the_place_below_answers_nothing(
    fleet: FakeFleet, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogs, "_UNHEARD_S", 3600.0)
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.sees("alpha is taken back", "Drain (d)")
        await operator.press("d")
        await operator.sees("Drain (d)")
        assert drained(fleet) == {}
        await operator.press("escape")
        await operator.at("BoxesScreen")
