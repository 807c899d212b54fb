"""No figure looks newer than it is, and nothing that we do wrong ends in silence."""

from __future__ import annotations

from datetime import timedelta

from gptoss_tui.app.boxes_text import about_lines, runs_text
from gptoss_tui.app.model import BoxModel
from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.host import LinkState
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.serving import EngineSnapshot
from tests.app.fakes import START, Clock, FakeFleet
from tests.app.make import report, server
from tests.app.test_dashboard import BUSY, alpha, watching
from tests.app.test_launching import progress, wizard


def seen() -> BoxModel:
    """A box that is connected, with one server, all of it seen at START."""
    hub, model = Hub(Clock()), BoxModel("alpha")
    hub.tap(model.apply)
    for body in (LinkState(phase="up"), report(), InstanceList(instances=(server(),))):
        hub.publish(body, box="alpha")
    hub.publish(EngineSnapshot(running=1.0, waiting=0.0), box="alpha", instance="gpt-oss-20b")
    return model


def test_how_many_requests_run_has_its_age() -> None:
    model = seen()
    assert model.busy_words("gpt-oss-20b", START) == "It works on 1 request, and 0 wait."
    later = START + timedelta(seconds=42)
    words = "It works on 1 request, and 0 wait (42 s old)."
    assert model.busy_words("gpt-oss-20b", later) == words
    assert "not known" in model.busy_words("other", later)


def test_a_list_of_servers_that_comes_no_more_is_told_of_as_old() -> None:
    model, later = seen(), START + timedelta(seconds=20)
    assert runs_text(model, START) == "gpt-oss-20b ready"
    assert runs_text(model, later) == "was: gpt-oss-20b ready"
    about = [line.plain for line in about_lines("alpha", model, later, demo=False)]
    assert "▲ The list of servers is 20 s old:" in about
    # Of the GPUs nothing came but the look.
    assert any("GiB used · 20 s old" in line for line in about)


async def test_the_list_of_boxes_ages_also_while_nothing_comes(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet) as operator:
        await operator.press("q")
        await operator.at("BoxesScreen")
        await operator.sees("gpt-oss-20b ready", "GiB used")
        alpha(fleet).refuses["instances"] = RuntimeError("no more")  # type: ignore[assignment]
        fleet.clock.pass_(60)
        await operator.sees("was: gpt-oss-20b", "GiB used · 60 s old")


async def test_a_wizard_plans_for_the_box_as_it_is_now(fleet: FakeFleet) -> None:
    async with watching(fleet, (120, 40)) as operator:
        await operator.until(lambda: operator.app.model("alpha").report is not None, "looked at")
        await operator.press("q")
        await operator.at("BoxesScreen")
        alpha(fleet).report = report(os="Ubuntu 26.04")
        fleet.clock.pass_(90)
        await operator.sees("r looks again: the last look is 90 s old")
        await operator.press("w")
        await operator.at("WizardScreen")
        model = operator.app.model("alpha")
        await operator.until(lambda: model.report.our_time == fleet.clock.now, "a new look")  # type: ignore[union-attr]
        assert "not heard" not in operator.screen
        fleet.clock.pass_(12)
        fleet.hub.publish(LinkState(phase="degraded", silent_s=12.0), box="alpha")
        seen = f"{model.report.our_time.astimezone():%H:%M:%S}"  # type: ignore[union-attr]
        words = f"▲ The box is not heard right now: what is known of it is from {seen}."
        await operator.sees(words)
        fleet.clock.pass_(60)  # it is not drawn anew meanwhile, and needs not be
        await operator.settle()
        assert words in operator.screen


async def test_a_launch_that_runs_says_when_its_box_is_not_heard(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        launch_id = operator.app.screen._launch_id  # type: ignore[attr-defined]
        fleet.hub.publish(progress(launch_id, "running"), box="alpha")
        await operator.sees("It goes on by itself on the box")
        fleet.hub.publish(LinkState(phase="degraded", silent_s=9.0), box="alpha")
        await operator.sees("(The box is not heard right now.) It goes on by itself")


async def test_a_fault_of_ours_is_told_and_ends_the_answer_that_waits(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).scrape = BUSY
    async with watching(fleet) as operator:
        await operator.until(lambda: operator.app.model("alpha").instances is not None, "listed")
        await operator.press("4")
        alpha(fleet).refuses["chat"] = RuntimeError("a fault")  # type: ignore[assignment]
        await operator.press("f2")
        await operator.sees("✗", "you  Say hello")
        assert not operator.app.model("alpha").conversations["gpt-oss-20b"].streaming
        alpha(fleet).refuses["stop"] = RuntimeError("a fault")  # type: ignore[assignment]
        operator.app.feeds.stop("alpha", "gpt-oss-20b")
        await operator.hears("stop gpt-oss-20b")
