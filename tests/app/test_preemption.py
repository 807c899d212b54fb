"""A provider takes a box back: a question with the seconds that are left, or a drain at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gptoss_tui.app import preemption
from gptoss_tui.app.messages import ActionFailed
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.spot.notice import SpotNotice, withdrawn
from gptoss_tui.errors import CommandError, DockerError, UnreachableError
from tests.app.fakes import START, Clock, FakeBox, FakeFleet
from tests.app.make import report, server
from tests.app.support import Operator, at_app
from tests.remote.support import FAST, WARM, serving, simulated

NOTICE = SpotNotice(
    cloud="aws", action="terminate", deadline=START + timedelta(seconds=118), left_s=118.0
)
SERVERS = (
    server("mine", managed=True, state="ready", container_id="a" * 64),
    server("also-mine", managed=True, state="loading", container_id="b" * 64),
    server("stopped", managed=True, state="exited", container_id="c" * 64),
    server("theirs", managed=False, state="ready", container_id="d" * 64),
)


def taken_back(fleet: FakeFleet, *notices: SpotNotice, servers: tuple[Instance, ...]) -> None:
    """Alpha is in AWS, which has these things to say."""
    alpha = fleet.boxes["alpha"]
    alpha.report, alpha.servers, alpha.notices = report(cloud="aws"), servers, notices


def drained(fleet: FakeFleet) -> dict[object, object]:
    calls = fleet.boxes["alpha"].calls
    return {call[1]: call[2] for call in calls if call[0] == "drain"}


async def connect(operator: Operator) -> None:
    await operator.press("enter")
    await operator.until(lambda: "alpha" in operator.app.models, "alpha is connected")


async def test_the_question_counts_down_and_drains_on_its_key(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.at("CountdownDialog")
        await operator.sees("alpha is taken back", "in 118 s", "Drain (d)")
        clock.pass_(18)
        await operator.sees("in 100 s")
        await operator.press("d")
        await operator.until(lambda: len(drained(fleet)) == 2, "both of ours are drained")
        assert drained(fleet) == {"mine": 100.0, "also-mine": 100.0}
        await operator.sees("▼ leaves", "▼ AWS takes this box back and deletes it at ")


async def test_the_harmless_answer_serves_to_the_end(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.at("CountdownDialog")
        await operator.press("escape")
        await operator.at("BoxesScreen")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.sees("AWS takes this box back and deletes it in 118 s.")
        clock.pass_(100)
        await operator.sees("deletes it in 18 s.")
        assert drained(fleet) == {}


async def test_a_question_that_is_too_late_goes_away(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.at("CountdownDialog")
        clock.pass_(119)
        await operator.at("BoxesScreen")
        assert drained(fleet) == {}


async def test_where_no_time_is_left_nobody_is_asked(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, SpotNotice(cloud="azure", action="stop", left_s=0.0), servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.hears("alpha: Azure takes this box back and stops it now.")
        await operator.at("BoxesScreen")


async def test_who_asked_for_it_is_not_asked(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.until(lambda: len(drained(fleet)) == 2, "both of ours are drained")
        await operator.hears("alpha: AWS takes this box back and deletes it in 118 s.")
        await operator.at("BoxesScreen")


async def test_leaving_meanwhile_says_that_servers_are_drained(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[:1])
    fleet.boxes["alpha"].refuses["drain"] = DockerError("Docker restarts.")  # tried again till then
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.until(lambda: bool(drained(fleet)), "the drain has begun")
        await operator.press("ctrl+q")
        await operator.sees("alpha is taken back by its provider", "Quit all the same (c)")
        await operator.press("c")
        await operator.until(lambda: operator.app._exit, "the app ends")


async def test_where_no_server_of_ours_runs_nobody_is_asked(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[2:])
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.hears("alpha: AWS takes this box back")
        await operator.at("BoxesScreen")


async def test_a_read_only_session_is_told_and_drains_nothing(
    fleet: FakeFleet, clock: Clock
) -> None:
    fleet.read_only = True
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.hears("alpha: AWS takes this box back")
        await operator.at("BoxesScreen")
        assert drained(fleet) == {}


@pytest.mark.parametrize("action", ["rebalance", "hibernate"])
async def test_a_warning_is_no_reason_to_drain(fleet: FakeFleet, clock: Clock, action: str) -> None:
    warning = SpotNotice(cloud="aws", action=action)  # type: ignore[arg-type]
    taken_back(fleet, warning, servers=SERVERS)
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.hears(f"alpha: {warning.text(None)}")
        await operator.sees(warning.text(None)[:40])
        assert drained(fleet) == {}


async def test_a_withdrawn_notice_is_told_and_leaves_no_banner(
    fleet: FakeFleet, clock: Clock
) -> None:
    withdrawn = SpotNotice(cloud="aws", action="withdrawn")
    taken_back(fleet, replace_(NOTICE), withdrawn, servers=())
    fleet.read_only = True  # no question in the way
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.hears("AWS has withdrawn its notice: the box stays.")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.sees_no("▼ AWS")


def replace_(notice: SpotNotice) -> SpotNotice:
    return SpotNotice(
        cloud=notice.cloud, action="stop", deadline=notice.deadline, left_s=notice.left_s
    )


GOOGLE = SpotNotice(
    cloud="gcp", action="preempt", deadline=START + timedelta(seconds=30), left_s=30.0
)


def come_back(fleet: FakeFleet, *notices: SpotNotice) -> None:
    """The link was lost, and is there again: a new connection, which says these things."""
    old = fleet.boxes["alpha"]
    box = FakeBox("alpha", fleet.hub, found=old.report)
    box.servers, box.calls, box.notices = old.servers, old.calls, notices
    box.known = old.known
    fleet.boxes["alpha"] = box


async def look_again(operator: Operator, fleet: FakeFleet) -> None:
    """The new connection is looked at, and its watch has begun."""
    fleet.hub.publish(fleet.boxes["alpha"].report, box="alpha")
    known = fleet.boxes["alpha"].known
    await operator.until(lambda: len(known) == 2, "the notice is watched for again")
    await operator.settle()


async def test_what_was_answered_is_not_asked_again_after_a_lost_link(
    fleet: FakeFleet, clock: Clock
) -> None:
    """Google tells no time: what it says over the new connection counts from then on."""
    taken_back(fleet, GOOGLE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.at("CountdownDialog")
        await operator.press("k")
        await operator.at("BoxesScreen")
        clock.pass_(10)
        again = SpotNotice(
            cloud="gcp", action="preempt", deadline=START + timedelta(seconds=40), left_s=30.0
        )
        come_back(fleet, again)
        await look_again(operator, fleet)
        assert fleet.boxes["alpha"].known == [None, GOOGLE]
        await operator.at("BoxesScreen")
        assert drained(fleet) == {}


async def test_a_yes_outlives_the_link(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.at("CountdownDialog")
        fleet.refuses["connect"] = UnreachableError("Nothing answers.", "Wait.")
        await operator.press("d")
        await operator.settle()
        assert drained(fleet) == {}
        clock.pass_(18)
        del fleet.refuses["connect"]
        await operator.until(lambda: len(drained(fleet)) == 2, "both of ours are drained")
        assert drained(fleet) == {"mine": 100.0, "also-mine": 100.0}
        assert operator.said(ActionFailed) == []


async def test_a_drain_that_the_lost_link_broke_off_is_begun_anew(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[:1])
    alpha = fleet.boxes["alpha"]
    alpha.refuses["drain"] = DockerError("The conversation with Docker broke off.", "Look again.")
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.until(lambda: len(drained(fleet)) == 1, "it was tried")
        del alpha.refuses["drain"]
        await operator.hears("mine was drained.")
        assert operator.said(ActionFailed) == []


async def test_what_could_not_be_drained_in_time_is_told(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[:1])
    alpha = fleet.boxes["alpha"]
    alpha.refuses["drain"] = DockerError("Docker is away.", "Look again.")
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.until(lambda: len(drained(fleet)) == 1, "it was tried")
        clock.pass_(118)
        await operator.hears("Docker is away.")
        assert len(operator.said(ActionFailed)) == 1


async def test_a_box_that_the_user_has_left_is_not_drained_any_more(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS[:1])
    alpha = fleet.boxes["alpha"]
    alpha.refuses["drain"] = DockerError("Docker is away.", "Look again.")
    async with at_app(fleet, clock=clock, drain_on_preemption=True) as operator:
        await connect(operator)
        await operator.until(lambda: len(drained(fleet)) == 1, "it was tried")
        await fleet.disconnect("alpha")
        await operator.hears("alpha was disconnected: nothing more is drained there.")


async def test_a_question_goes_away_with_the_notice(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.at("CountdownDialog")
        fleet.hub.publish(withdrawn(NOTICE), box="alpha")
        await operator.hears("AWS has withdrawn its notice: the box stays.")
        await operator.at("BoxesScreen")
        assert drained(fleet) == {}


async def test_a_yes_to_a_notice_that_is_withdrawn_by_then_drains_nothing(
    fleet: FakeFleet, clock: Clock
) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.at("CountdownDialog")
        fleet.hub.publish(withdrawn(NOTICE), box="alpha")
        await operator.press("d")
        await operator.at("BoxesScreen")
        await operator.settle()
        assert drained(fleet) == {}


async def test_another_time_is_no_second_question(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, NOTICE, servers=SERVERS)
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.at("CountdownDialog")
        sooner = SpotNotice(
            cloud="aws", action="terminate", deadline=START + timedelta(seconds=60), left_s=60.0
        )
        fleet.hub.publish(sooner, box="alpha")
        await operator.sees("in 60 s")
        await operator.press("d")
        await operator.at("BoxesScreen")
        await operator.until(lambda: len(drained(fleet)) == 2, "both of ours are drained")
        assert drained(fleet) == {"mine": 60.0, "also-mine": 60.0}


async def test_a_notice_withdrawn_while_nobody_watched_leaves_no_banner(
    fleet: FakeFleet, clock: Clock
) -> None:
    """The new connection is told what is known, and says that it is there no more."""
    taken_back(fleet, NOTICE, servers=())
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.sees("▼ leaves")
        come_back(fleet, withdrawn(NOTICE))
        await look_again(operator, fleet)
        assert fleet.boxes["alpha"].known == [None, NOTICE]
        await operator.hears("AWS has withdrawn its notice: the box stays.")
        await operator.sees_no("▼ leaves")


async def test_a_watch_that_cannot_be_is_told_once(fleet: FakeFleet, clock: Clock) -> None:
    taken_back(fleet, servers=SERVERS)
    fleet.boxes["alpha"].refuses["watch_spot"] = CommandError("It does not answer.", "Let it.")
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.hears("watch for a notice of preemption")
        await operator.press("r")
        await operator.settle()
        assert len(operator.said(ActionFailed)) == 1


@pytest.mark.parametrize("error", [CommandError("It answered 403.", "Let it."), ValueError("x")])
async def test_a_watch_that_cannot_be_is_tried_again_by_itself(
    fleet: FakeFleet, clock: Clock, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A fault of ours ends it as little as a service that refuses."""
    monkeypatch.setattr(preemption, "AGAIN_S", 0.05)
    taken_back(fleet, NOTICE, servers=SERVERS)
    alpha = fleet.boxes["alpha"]
    alpha.refuses["watch_spot"] = error  # type: ignore[assignment]
    async with at_app(fleet, clock=clock) as operator:
        await connect(operator)
        await operator.until(lambda: len(alpha.known) > 2, "it was tried again and again")
        assert len(operator.said(ActionFailed)) == 1
        del alpha.refuses["watch_spot"]
        await operator.at("CountdownDialog")


async def test_the_whole_way_on_a_simulated_box(tmp_path: Path) -> None:
    """Notice, drain without a question, box gone: over real SSH."""
    kind = replace(WARM, cloud="azure")
    async with (
        simulated(tmp_path, kind) as rig,
        at_app(rig.fleet, drain_on_preemption=True) as operator,
    ):
        world = rig.sim.boxes[0].world
        await serving(await rig.box())
        await operator.press("enter")
        await operator.sees("● connected", "gpt-oss-20b ready")
        world.preempt(notice_s=20 * FAST)
        await operator.sees("▼ leaves")
        await operator.hears("gpt-oss-20b was drained and stopped; its container stays.")
        assert [container.state for container in world.containers.values()] == ["exited"]
