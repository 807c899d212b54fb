"""What is said in passing never covers a question, nor the place that comes after its own."""

from __future__ import annotations

import asyncio

from gptoss_tui.domain.spot.notice import SpotNotice
from gptoss_tui.errors import BoxError
from tests.app.fakes import FakeFleet
from tests.app.make import server
from tests.app.support import Operator, at_app
from tests.app.test_dashboard import alpha, watching


def waiting(operator: Operator) -> list[str]:
    """What is shown now, or will be when a place is in front."""
    return [notice.message for notice in operator.app._notifications]


async def test_a_notice_waits_until_no_question_is_open(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("● ready")
        await operator.press("s")
        await operator.sees("Yes, stop it (y)", "Keep it (n)")
        operator.app.show_error(BoxError("It went wrong."), "look at alpha")
        operator.app.tell("Something else is done.")
        await operator.settle()
        assert "It went wrong." not in operator.screen
        assert waiting(operator) == []
        await operator.press("n")
        await operator.at("DashboardScreen")
        await operator.sees("look at alpha", "It went wrong.", "Something else is done.")


async def test_what_is_shown_already_does_not_cover_a_question_either(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("● ready")
        operator.app.tell("Something is done.")
        await operator.sees("Something is done.")
        await operator.press("s")
        await operator.sees("Yes, stop it (y)")
        await operator.sees_no("Something is done.")
        assert waiting(operator) == []  # its time does not run out meanwhile
        await operator.press("n")
        await operator.sees("Something is done.")


async def test_a_stop_that_ends_behind_its_dashboard_is_told_at_the_boxes(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).held = held = asyncio.Event()
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("● ready")
        operator.app.tell("About the dashboard.")
        await operator.sees("About the dashboard.")
        await operator.press("s", "y")
        await operator.until(lambda: bool(alpha(fleet).calls), "the stop has begun")
        await operator.press("q")
        await operator.at("BoxesScreen")
        await operator.sees_no("About the dashboard.")
        held.set()
        await operator.sees("gpt-oss-20b was stopped.")


async def test_what_a_provider_does_covers_no_list_of_boxes_that_tells_it(fleet: FakeFleet) -> None:
    fleet.read_only = True  # no question in the way
    async with watching(fleet) as operator:
        fleet.hub.publish(SpotNotice(cloud="aws", action="terminate", left_s=90.0), box="alpha")
        fleet.hub.publish(SpotNotice(cloud="aws", action="rebalance"), box="beta")
        await operator.until(lambda: len(waiting(operator)) == 2, "both are told")
        await operator.press("q")
        await operator.at("BoxesScreen")
        await operator.sees("▼ leaves")
        (warning,) = waiting(operator)  # no row tells this one
        assert warning.startswith("beta: AWS")


async def test_a_notice_on_a_narrow_screen_is_wrapped_not_cut(fleet: FakeFleet) -> None:
    async with at_app(fleet, (40, 12), clock=fleet.clock) as operator:
        operator.app.tell("gpt-oss-20b is open at http://127.0.0.1:45678/v1 on this machine.")
        await operator.sees("http://127.0.0.1:45678/v1", "machine.")
