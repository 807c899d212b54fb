"""What is being done to a server, wherever the operator is: upgraded, stopped, gone."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from gptoss_tui.app import messages as said
from gptoss_tui.app.model import BoxModel
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.host import LinkState
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.launch import Secrets, set_aside
from gptoss_tui.domain.progress import LaunchProgress, LaunchState, Phase
from tests.app.fakes import Clock, FakeFleet
from tests.app.make import server, spec
from tests.app.support import Operator
from tests.app.test_dashboard import alpha, watching

NAME, OLD_ID, NEW_ID = "gpt-oss-20b", "20260304-120000-abcdef", "20260305-120000-fedcba"


def launch(state: LaunchState = "running", launch_id: str = NEW_ID) -> LaunchProgress:
    phases = (Phase(name="pull", state="running"),)
    new = spec(launch_id=launch_id)
    return LaunchProgress(launch_id=launch_id, name=NAME, state=state, phases=phases, spec=new)


# --- upgrades -------------------------------------------------------------------------------------


def test_an_upgrade_is_told_by_its_launch_or_by_the_list_whichever_is_newer(clock: Clock) -> None:
    model, hub = BoxModel("alpha"), Hub(clock)
    hub.tap(model.apply)
    assert model.replaced_by(server()) is None
    hub.publish(launch("running", "another"), box="alpha")
    assert model.replaced_by(server()) is None  # a launch like any other
    listed = server(replaced_by=NEW_ID)  # somebody else's: no launch of it was seen
    assert model.replaced_by(listed) == NEW_ID
    hub.publish(replace(launch(), replaces=NAME), box="alpha")
    assert (model.replaced_by(server()), model.replaced_by(listed)) == (NEW_ID, NEW_ID)
    hub.publish(replace(launch("failed"), replaces=NAME), box="alpha")
    assert (model.replaced_by(server()), model.replaced_by(listed)) == (None, None)


def test_what_is_done_to_a_server_goes_before_its_state(clock: Clock) -> None:
    model, hub = BoxModel("alpha"), Hub(clock)
    hub.tap(model.apply)
    new = server(launch_id=NEW_ID, state="loading", replaced_by=NEW_ID)
    old = server(set_aside(NAME, NEW_ID))
    hub.publish(InstanceList(instances=(new, old, server("other"))), box="alpha")
    hub.publish(Draining(left_s=9.0), box="alpha", instance="other")
    states = [model.state_of(one) for one in (new, old, server("other"), server("third"))]
    assert states == ["upgrading", "set aside", "draining", "ready"]


async def test_an_upgrade_is_shown_in_every_list_and_led_to(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(spec=spec()),)
    alpha(fleet).progress = replace(launch(), replaces=NAME)
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("● ready")
        asked = said.LaunchRequested("alpha", spec(launch_id=NEW_ID), Secrets(), None, NAME)
        operator.app.post_message(asked)
        await operator.sees("Upgrading gpt-oss-20b on alpha")
        await operator.press("q")  # the launch has taken the dashboard's place
        await alpha(fleet).instances()
        await operator.sees("gpt-oss-20b upgrading")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.press("3")
        await operator.sees("↻ upgrading")
        await operator.press("l")
        await operator.sees("Upgrading gpt-oss-20b on alpha")
        await operator.press("q")
        fleet.hub.publish(replace(launch("failed"), replaces=NAME), box="alpha")
        await operator.sees("● ready")


# --- a launch that is over ------------------------------------------------------------------------


async def ready_page(operator: Operator, fleet: FakeFleet) -> None:
    """The page of a launch that is ready, as a list of now tells too."""
    alpha(fleet).progress = launch("ready", OLD_ID)
    await operator.press("3")
    await operator.sees("● ready")
    await operator.press("l")
    await operator.sees("Launch of gpt-oss-20b on alpha", "✓ Ready.", "u Copy URL")
    fleet.clock.pass_(5)
    await alpha(fleet).instances()


async def test_a_launch_page_does_not_call_ready_what_is_gone(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(spec=spec()),)
    async with watching(fleet) as operator:
        await ready_page(operator, fleet)
        for servers, words in (
            ((server(state="exited"),), "its container has ended since"),
            ((server(launch_id=NEW_ID),), "another launch has taken its place since"),
            ((), "is not on alpha any more: it was stopped."),
        ):
            alpha(fleet).servers = servers
            await alpha(fleet).instances()
            await operator.until(lambda words=words: words in operator.flat, words)  # type: ignore[misc]
            assert "✓ Ready." not in operator.screen
        await operator.sees_no("u Copy URL")


async def test_a_launch_page_says_when_its_box_is_not_heard(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(spec=spec()),)
    async with watching(fleet) as operator:
        await ready_page(operator, fleet)
        assert "not heard" not in operator.screen
        fleet.hub.publish(LinkState(phase="degraded", silent_s=9.0), box="alpha")
        await operator.sees("✓ Ready. (The box is not heard right now.)")


async def test_nobody_is_counted_who_talks_to_a_server_that_has_ended(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(state="exited"),)
    async with watching(fleet) as operator:
        await operator.press("3", "s")
        await operator.sees("It has ended: no request runs on it.")
        assert "They get" not in operator.screen


# --- leaving --------------------------------------------------------------------------------------


async def test_leaving_while_a_server_is_drained_says_what_becomes_of_it(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).held = held = asyncio.Event()
    async with watching(fleet) as operator:
        await operator.until(lambda: operator.app.model("alpha").instances is not None, "listed")
        await operator.press("s", "y")
        await operator.until(lambda: bool(alpha(fleet).calls), "the stop has begun")
        await operator.press("ctrl+q")
        await operator.sees("gpt-oss-20b on alpha is being stopped.", "Quit all the same (c)")
        for refuses_new, fate in (
            (False, "is not stopped, and serves on"),
            (True, "ends by itself"),
        ):
            await operator.press("s")
            figures = Draining(running=3.0, left_s=40.0, refuses_new=refuses_new)
            fleet.hub.publish(figures, box="alpha", instance=NAME)
            await operator.settle()
            await operator.press("ctrl+q")
            await operator.until(
                lambda fate=fate: "3 requests still run" in operator.flat and fate in operator.flat,  # type: ignore[misc]
                fate,
            )
        await operator.press("s")
        held.set()
        await operator.hears("gpt-oss-20b was stopped.")
        await operator.press("ctrl+q")
        await operator.until(lambda: operator.app._exit, "nothing is asked any more")


async def test_leaving_while_a_server_is_restarted_says_that_it_starts_again(
    fleet: FakeFleet,
) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).held = asyncio.Event()
    async with watching(fleet) as operator:
        operator.app.feeds.restart("alpha", NAME)
        await operator.until(lambda: bool(alpha(fleet).calls), "the restart has begun")
        figures = Draining(running=3.0, left_s=40.0, refuses_new=True)
        fleet.hub.publish(figures, box="alpha", instance=NAME)
        await operator.settle()
        await operator.press("ctrl+q")
        await operator.until(
            lambda: (
                "gpt-oss-20b on alpha is being restarted." in operator.flat
                and "Docker starts it again" in operator.flat
            ),
            "what becomes of it",
        )


async def test_leaving_a_drain_and_a_launch_asks_about_both(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).held = asyncio.Event()
    alpha(fleet).progress = launch()
    async with watching(fleet) as operator:
        operator.app.post_message(said.LaunchRequested("alpha", spec(launch_id=NEW_ID), Secrets()))
        await operator.sees("Launching gpt-oss-20b on alpha", "▶ pull the image")
        operator.app.feeds.stop("alpha", NAME)
        await operator.until(lambda: ("stop", NAME) in alpha(fleet).calls, "the stop has begun")
        await operator.press("ctrl+q", "c")
        await operator.sees("gpt-oss-20b is being launched.", "Quit, let it go on (c)")
        await operator.press("c")
        await operator.until(lambda: operator.app._exit, "the app ends")
    assert operator.app.leaving.going_on == ("alpha",)
