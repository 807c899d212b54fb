"""The place *Repair*: what is shown before a yes, what comes after it, on a small terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptoss_tui.app.messages import RepairRequested
from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.repair.types import RunningContainer, Survey
from gptoss_tui.errors import CommandError
from gptoss_tui.sim.profile import H100, Profile
from tests.app.fakes import Clock, FakeBox, FakeFleet
from tests.app.make import HOSTILE, report
from tests.app.support import Operator, assert_clean, at_app
from tests.remote.support import simulated

MISSING = Finding(
    code="toolkit", level="blocker", what="No container sees the GPUs.", repair="toolkit"
)
RUNNING = RunningContainer(id="ab" * 32, name="training")


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet(Clock())


def broken(hub: Hub, *findings: Finding) -> FakeBox:
    box = FakeBox("lab", hub, found=report(findings=findings or (MISSING,)))
    box.found = Survey(running=(RUNNING,))
    return box


async def opened(operator: Operator) -> None:
    await operator.press("enter")
    await operator.sees("connected", "opens the dashboard", "✗")
    await operator.press("m")
    await operator.at("RepairScreen")


async def test_the_script_and_the_warning_are_seen_before_anything_runs(fleet: FakeFleet) -> None:
    box = broken(fleet.hub)
    fleet.have(box)
    async with at_app(fleet) as operator:
        await opened(operator)
        await operator.sees("toolkit", "No container sees the GPUs.")
        await operator.sees("Install the NVIDIA Container Toolkit", "set -eu")
        assert "stops every running container: training" in operator.flat
        await operator.press("p")
        await operator.at("PageScreen")
        await operator.press("q")
        await operator.press("enter")
        await operator.at("AskDialog")
        await operator.press("n")
        assert box.calls == []
        assert operator.said(RepairRequested) == []


async def test_after_a_yes_it_runs_and_the_look_says_whether_it_helped(fleet: FakeFleet) -> None:
    box = broken(fleet.hub)
    fleet.have(box)
    async with at_app(fleet) as operator:
        await opened(operator)
        await operator.sees("set -eu")
        box.report = report()  # what the next look finds
        await operator.press("enter")
        await operator.at("AskDialog")
        await operator.press("y")
        await operator.sees("it says this", "✓ Install the NVIDIA Container Toolkit: done")
        assert box.calls == [("repair", "toolkit")]
        await operator.press("enter")
        await operator.sees("There is nothing here that could be repaired")


async def test_what_is_still_wrong_is_said(fleet: FakeFleet) -> None:
    fleet.have(broken(fleet.hub))
    async with at_app(fleet) as operator:
        await opened(operator)
        await operator.sees("set -eu")
        await operator.press("enter", "y")
        await operator.sees("the box still says: No container sees")


async def test_a_repair_that_cannot_begin_says_why_in_the_place(fleet: FakeFleet) -> None:
    box = broken(fleet.hub)
    box.refuses["repair"] = CommandError("sudo on lab asks for a password.", "Give one.")
    fleet.have(box)
    async with at_app(fleet) as operator:
        await opened(operator)
        await operator.sees("set -eu")
        await operator.press("enter", "y")
        await operator.sees("✗ sudo on lab asks for a password. Give one.")


async def test_a_look_that_fails_says_why_and_enter_tries_again(fleet: FakeFleet) -> None:
    box = broken(fleet.hub)
    fleet.have(box)
    async with at_app(fleet) as operator:
        await operator.press("enter")
        await operator.sees("connected", "opens the dashboard", "✗")
        box.refuses["survey"] = CommandError("The box does not answer.", "Try again.")
        await operator.press("m")
        await operator.sees("✗ The box does not answer. Try again.")
        box.refuses.clear()
        await operator.press("enter")
        await operator.sees("set -eu")


async def test_from_the_wizard_and_back_to_a_plan_for_the_box_as_it_is_now(
    fleet: FakeFleet,
) -> None:
    box = broken(fleet.hub)
    fleet.have(box)
    async with at_app(fleet, (120, 40)) as operator:
        await operator.press("enter")
        await operator.sees("connected", "opens the dashboard", "✗")
        await operator.press("w")
        await operator.at("WizardScreen")
        await operator.sees("No container sees the GPUs.")
        await operator.press("ctrl+r")
        await operator.at("RepairScreen")
        await operator.sees("set -eu")
        box.report = report()
        await operator.press("enter", "y")
        await operator.sees("✓ Install the NVIDIA Container Toolkit: done")
        await operator.press("q")
        await operator.at("WizardScreen")
        await operator.sees_no("No container sees the GPUs.")


async def test_hostile_text_is_shown_as_text(fleet: FakeFleet) -> None:
    box = broken(fleet.hub, Finding(code="x", level="blocker", what=HOSTILE, repair="toolkit"))
    box.found = Survey(running=(RunningContainer(id="a", name=HOSTILE),))
    fleet.have(box)
    async with at_app(fleet) as operator:
        await opened(operator)
        await operator.sees("[/x]")
        assert_clean(operator.lines)


async def test_a_read_only_session_repairs_nothing(fleet: FakeFleet) -> None:
    fleet.read_only = True
    fleet.have(broken(fleet.hub))
    async with at_app(fleet) as operator:
        await operator.press("enter")
        await operator.sees("connected")
        await operator.press("m")
        await operator.hears("read-only")


async def test_the_group_of_the_simulated_box_with_a_password_for_sudo(tmp_path: Path) -> None:
    """The whole way: sudo asks, a new connection is made, and Docker's socket is open then."""
    denied = Profile("denied", (H100,), faults=frozenset({"docker_denied"}))
    async with simulated(tmp_path, denied) as rig, at_app(rig.fleet) as operator:
        await opened(operator)
        await operator.sees("docker-group", "root by another name")
        await operator.press("enter", "y")
        await operator.at("SecretDialog")
        await operator.write("secret")
        await operator.press("enter")
        await operator.sees("✓ Let root use Docker: done")
        await operator.press("enter")
        await operator.sees("There is nothing here")
        assert rig.sim.boxes[0].counters.connections >= 2
