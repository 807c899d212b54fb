"""A stop that goes on is in sight, whichever pane is shown; so is what cannot be followed."""

from __future__ import annotations

import asyncio

import pytest

from gptoss_tui.app import messages as said
from gptoss_tui.app.dashboard_text import stop_line
from gptoss_tui.app.model import BoxModel
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.facts import Fact, Hub
from gptoss_tui.domain.host import LinkState
from gptoss_tui.domain.instance import Notice
from gptoss_tui.errors import DockerError, NotFoundError
from tests.app.fakes import Clock, FakeFleet
from tests.app.make import server
from tests.app.test_dashboard import BUSY, alpha, watching

NAME = "gpt-oss-20b"


async def test_a_stop_is_told_on_every_pane_until_it_is_done(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).held = held = asyncio.Event()
    async with watching(fleet) as operator:
        await operator.until(lambda: operator.app.model("alpha").instances is not None, "listed")
        await operator.press("1", "s", "y")
        await operator.sees(f"◌ stopping {NAME}…")
        figures = Draining(running=14.0, left_s=52.0)
        fleet.hub.publish(figures, box="alpha", instance=NAME)
        for pane in ("1", "2", "3", "4"):
            await operator.press("escape", pane)
            await operator.sees(f"◌ stopping {NAME}: 14 requests left, 52 s")
        held.set()
        await operator.hears(f"{NAME} was stopped.")
        await operator.sees_no("◌ stopping")


async def test_a_second_stop_cuts_and_is_told_while_the_first_still_closes(
    fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = alpha(fleet)
    box.servers, box.held = (server(),), asyncio.Event()
    closing, closed, stop = asyncio.Event(), asyncio.Event(), box.stop

    async def closes_slowly(instance: str, *, drain_s: int | None = None) -> Fact[Notice]:
        try:
            return await stop(instance, drain_s=drain_s)
        except asyncio.CancelledError:
            await closing.wait()
            closed.set()
            raise

    monkeypatch.setattr(box, "stop", closes_slowly)
    async with watching(fleet) as operator:
        await operator.until(lambda: operator.app.model("alpha").instances is not None, "listed")
        await operator.press("s", "y")
        await operator.sees(f"◌ stopping {NAME}…")
        await operator.press("s")
        await operator.sees("is being stopped already.", "Let it end (n)")
        await operator.press("n", "s")
        await operator.sees("Yes, cut it now (y)")
        await operator.press("y")
        await operator.until(lambda: ("stop", NAME, 0) in box.calls, "it is cut")
        closing.set()
        await operator.until(closed.is_set, "the first one is over")
        await operator.settle()
        fleet.hub.publish(LinkState(phase="up"), box="alpha")  # the banner is drawn anew
        await operator.settle()
        assert f"◌ stopping {NAME}…" in operator.screen
        await operator.press("ctrl+q")
        await operator.sees(f"{NAME} on alpha is being stopped.", "Stay here (s)")
        await operator.press("s")
        box.held.set()
        await operator.hears(f"{NAME} was stopped.")
        await operator.sees_no("◌ stopping")
    assert box.calls == [("stop", NAME), ("stop", NAME, 0)]


async def test_what_is_being_launched_is_cancelled_not_stopped(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(state="launching", container_id=None),)
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("▶ launching")
        await operator.press("s")
        await operator.sees("Cancel the launch on alpha?", "Yes, cancel it (y)")
        assert "Restart" not in operator.screen
        assert "an image that has not come whole may begin anew." in operator.flat
        await operator.press("y")
        await operator.hears("The launch was cancelled.")
    assert alpha(fleet).calls == [("cancel", server().launch_id)]


def test_one_request_and_none_that_is_known() -> None:
    model = BoxModel("alpha")
    assert stop_line(model, {}) == ""
    assert stop_line(model, {"b": True}) == " ◌ restarting b…"
    model.apply(_fact(Draining(running=1.0, left_s=9.0)))
    assert stop_line(model, {}) == " ◌ stopping a: 1 request left, 9 s"
    model.apply(_fact(Draining(left_s=9.0)))
    assert stop_line(model, {}) == " ◌ stopping a: requests not known, 9 s"


def _fact(body: Draining) -> Fact[Draining]:
    return Hub(Clock()).publish(body, box="alpha", instance="a")


async def test_why_engine_and_log_cannot_be_followed_is_said_in_their_panes(
    fleet: FakeFleet,
) -> None:
    alpha(fleet).servers = (server(managed=False, port=None),)
    alpha(fleet).refuses = {
        "watch_engine": NotFoundError(f"{NAME} publishes no port on the box."),
        "logs": DockerError("Docker keeps no log of it.", "See `gptoss-tui check alpha`."),
    }
    async with watching(fleet, (130, 40)) as operator:
        await operator.sees(f"{NAME} publishes no port on the box.")
        await operator.sees("Docker keeps no log of it.")
        assert "gptoss-tui check" not in operator.screen  # the app's own key stands there
        alpha(fleet).refuses = {}
        alpha(fleet).scrape, alpha(fleet).log = BUSY, ("INFO it serves",)
        operator.app.post_message(said.EngineWatchRequested("alpha", NAME))
        operator.app.post_message(said.LogsRequested("alpha", NAME))
        await operator.sees("running 12", "INFO it serves")
        await operator.sees_no("publishes no port")
