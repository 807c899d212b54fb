"""After the notice that a provider takes a box back: what comes up later, and the box that is gone."""

from __future__ import annotations

from gptoss_tui.errors import UnreachableError
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


async def test_a_box_that_is_gone_is_said_to_be_taken_back(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[3:])
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.sees("▼ leaves")
        clock.pass_(119)
        fleet.refuses["connect"] = UnreachableError("Nothing answers at alpha.")
        fleet.boxes["alpha"].lose()
        await operator.sees("▼ taken back", "it is gone, it seems.")
