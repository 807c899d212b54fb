"""Wizard and timeline over a box made by hand: what is asked for, what is refused, what is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from textual.events import Key
from textual.widgets import Input

from gptoss_tui.app import messages as said
from gptoss_tui.domain.doctor.read import diagnose
from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.progress import PHASES, LaunchProgress, LaunchState, Phase, PhaseName
from gptoss_tui.errors import ConflictError
from tests.app.fakes import START, FakeFleet
from tests.app.make import gpu, report, server
from tests.app.support import Operator, at_app


@asynccontextmanager
async def wizard(fleet: FakeFleet, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Operator]:
    async with at_app(fleet, size, clock=fleet.clock) as operator:
        await operator.press("enter")
        await operator.sees("● connected", "x H100")
        await operator.press("w")
        await operator.at("WizardScreen")
        yield operator


def progress(launch_id: str, state: LaunchState, **phases: Phase) -> LaunchProgress:
    return LaunchProgress(
        launch_id=launch_id,
        name="gpt-oss-20b",
        state=state,
        phases=tuple(phases.get(name, Phase(name=name)) for name in PHASES),
    )


def running(name: PhaseName, **changes: object) -> Phase:
    return Phase(name=name, state="running", started_at=START, **changes)  # type: ignore[arg-type]


async def test_choices_make_the_plan_anew(fleet: FakeFleet) -> None:
    async with wizard(fleet, (120, 50)) as operator:
        await operator.sees("✓ fits", "███", "▒▒▒", "weights", "KV cache", "model: gpt-oss-20b")
        await operator.sees("● 20b", "○ 120b")  # by shape, not by colour alone
        await operator.sees("docker run", "127.0.0.1:8000:8000")
        before = operator.screen
        await operator.press("tab", "tab", "tab", "end", "ctrl+u", "8", "k")
        await operator.until(lambda: operator.screen != before, "the plan moved")
        await operator.sees("8,192 tokens")
        await operator.press("x")  # no letter but k reaches the field
        await operator.sees("8,192 tokens")
        await operator.press("k")
        await operator.sees("✗", "The context must be a whole number")
        await operator.press("ctrl+l")
        await operator.hears("Nothing is launched: The context must be a whole number")
        assert operator.said(said.LaunchRequested) == []


async def test_keys_that_come_in_one_burst_keep_their_order(fleet: FakeFleet) -> None:
    async with wizard(fleet, (120, 50)) as operator:
        keys = (
            "tab",
            "tab",
            "tab",
            "ctrl+u",
            "1",
            "6",
            "k",
            "tab",
            "ctrl+u",
            "4",
            "0",
            "backspace",
        )
        for key in keys:  # as from a terminal: none waits for what the one before it does
            character = key if len(key) == 1 else None
            operator.app.post_message(Key(key, character))
        fields = operator.app.screen.query(Input)
        await operator.until(
            lambda: [field.value for field in fields][1:3] == ["16k", "4"], "both are typed"
        )
        await operator.sees("16,384 tokens")


async def test_what_does_not_fit_is_not_launched(fleet: FakeFleet) -> None:
    small = gpu(name="NVIDIA H100 MIG", memory_total_bytes=12 * GIB)
    fleet.boxes["alpha"].report = report(gpus=(small,))
    async with at_app(fleet) as operator:
        await operator.press("enter")
        await operator.sees("● connected")
        await operator.until(lambda: operator.app.models["alpha"].report is not None, "looked at")
        await operator.press("w")
        await operator.at("WizardScreen")
        await operator.press("tab", "tab", "tab", "tab", "tab")
        if not operator.app.screen.query_one("SelectionList").selected:  # type: ignore[attr-defined]
            await operator.press("space")
        await operator.sees("✗ does not fit")
        await operator.press("ctrl+l")
        await operator.hears("Nothing is launched: ")
    assert fleet.boxes["alpha"].calls == []


async def test_a_blocker_of_the_box_is_said(fleet: FakeFleet) -> None:
    blocker = Finding(code="no_docker", level="blocker", what="There is no Docker.", do="Get it.")
    fleet.boxes["alpha"].report = report(findings=(blocker,))
    async with wizard(fleet) as operator:
        await operator.press("ctrl+l")
        await operator.hears("Nothing is launched: There is no Docker. Get it.")
        assert operator.said(said.LaunchRequested) == []


async def test_secrets_go_with_the_launch_and_are_never_seen(fleet: FakeFleet) -> None:
    async with wizard(fleet, (120, 50)) as operator:
        operator.app.screen.query_one("#api-key").focus()
        await operator.write("sesame")
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        assert "sesame" not in operator.screen
        (asked,) = operator.said(said.LaunchRequested)
        assert asked.secrets.api_key is not None
        assert asked.secrets.api_key.reveal() == "sesame"
        assert asked.spec.needs_api_key
        assert "sesame" not in repr(asked)
        (call,) = fleet.boxes["alpha"].calls
        assert call[:2] == ("launch", asked.spec)


async def test_a_refused_launch_is_said_in_its_place(fleet: FakeFleet) -> None:
    fleet.boxes["alpha"].refuses["launch"] = ConflictError("GPU 0 is taken [x].", "Take another.")
    async with wizard(fleet) as operator:
        await operator.press("ctrl+l")
        await operator.sees("GPU 0 is taken [x].", "Take another.")
        await operator.press("q")
        await operator.at("BoxesScreen")


async def test_the_timeline_tells_bytes_pace_and_time_left(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        await operator.press("ctrl+l")
        await operator.sees("Handing the launch over to the box…")
        launch_id = operator.said(said.LaunchRequested)[0].spec.launch_id
        for done in (1, 2):
            fleet.clock.pass_(10)
            pull = running(
                "pull", done_bytes=done * GIB, total_bytes=10 * GIB, fraction=done / 10,
                rate_bytes_per_s=102 * MIB, left_s=80.0,
            )  # fmt: skip
            fleet.hub.publish(progress(launch_id, "running", pull=pull), box="alpha")
            await operator.sees(f"{done}.0 of 10.0 GiB")
        await operator.sees("▶ pull the image", "20 s", "102.0 MiB/s, about 80 s left")
        pull = running("pull", done_bytes=GIB, total_bytes=GIB, fraction=0.99, stalled_s=35.0)
        fleet.hub.publish(progress(launch_id, "running", pull=pull), box="alpha")
        await operator.sees("stalled for 35 s", "or cancel")
        load = running("load", fraction=0.5, last_s=41.0)
        fleet.hub.publish(progress(launch_id, "running", load=load), box="alpha")
        await operator.sees("▶ load the weights", "50%, took 41 s last time")


async def test_the_fix_of_a_failure_is_shown_and_launched_by_a_key(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        first = operator.said(said.LaunchRequested)[0].spec
        line = "Error response from daemon: port is already allocated"
        body = LaunchProgress(
            launch_id=first.launch_id, name=first.name, state="failed",
            phases=(Phase(name="start", state="failed"),), error="The port is taken.",
            diagnosis=diagnose([line]), spec=first,
        )  # fmt: skip
        fleet.hub.publish(body, box="alpha")
        await operator.sees("✗ The port is taken.", line, "f: another port, a free one")
        await operator.press("f")
        await operator.sees("Launch again", "docker run")
        await operator.press("y")
        await operator.until(
            lambda: len(operator.said(said.LaunchRequested)) == 2, "launched again"
        )
        again = operator.said(said.LaunchRequested)[1].spec
        assert again.port != first.port
        assert again.launch_id != first.launch_id
        assert again.arguments == first.arguments


@pytest.mark.parametrize(("state", "sign"), [("failed", "✗"), ("cancelled", "–")])
async def test_an_end_says_why_what_next_and_what_remains(
    fleet: FakeFleet, state: LaunchState, sign: str
) -> None:
    async with wizard(fleet) as operator:
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        launch_id = operator.said(said.LaunchRequested)[0].spec.launch_id
        body = LaunchProgress(
            launch_id=launch_id,
            name="gpt-oss-20b",
            state=state,
            phases=(Phase(name="pull", state="done"),),
            error="The image is missing.",
            next_step="Check its name.",
            leftovers=("the container gpt-oss-20b",),
        )
        fleet.hub.publish(body, box="alpha")
        await operator.sees(f"{sign} The image is missing.", "Check its name.")
        await operator.sees("What remains: the container gpt-oss-20b.")
        assert "Cancel the launch" not in operator.lines[-1]


async def test_ready_is_copied_in_every_form(fleet: FakeFleet) -> None:
    async with wizard(fleet, (100, 40)) as operator:
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        spec = operator.said(said.LaunchRequested)[0].spec
        await operator.press("u", "e", "s")  # nothing to copy yet
        assert operator.said(said.CopyRequested) == []
        fleet.hub.publish(progress(spec.launch_id, "ready"), box="alpha")
        await operator.sees("✓ Ready.", "ssh -N -L 8000:127.0.0.1:8000 root@alpha")
        await operator.press("u", "e", "s", "c")
        await operator.until(lambda: len(operator.said(said.CopyRequested)) == 4, "four copies")
        url, env, ssh, command = (one.text for one in operator.said(said.CopyRequested))
        assert url == "http://127.0.0.1:8000/v1"
        assert "OPENAI_BASE_URL=http://127.0.0.1:8000/v1" in env
        assert ssh == "ssh -N -L 8000:127.0.0.1:8000 root@alpha"
        assert command.startswith("docker run")
        await operator.press("d")
        await operator.at("DashboardScreen")


async def test_a_key_opens_the_log_of_what_failed(fleet: FakeFleet) -> None:
    box = fleet.boxes["alpha"]
    box.log = ("ERROR it ran out of memory",)
    async with wizard(fleet, (120, 24)) as operator:
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        launch_id = operator.said(said.LaunchRequested)[0].spec.launch_id
        fleet.hub.publish(progress(launch_id, "failed"), box="alpha")
        await operator.sees("✗")
        assert "p Log" not in operator.lines[-1]  # there is no container to have one
        box.servers = (server(state="exited", launch_id=launch_id),)
        await box.instances()
        fleet.hub.publish(progress(launch_id, "failed"), box="alpha")
        await operator.sees("p Log", "o As a page")
        await operator.press("p")
        await operator.at("DashboardScreen")
        await operator.sees("3 Servers and log", "ERROR it ran out of memory")


async def test_times_are_told_by_the_boxs_clock(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        ahead = START + timedelta(days=3)
        fleet.hub.publish(report(), box="alpha", box_time=ahead)
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        launch_id = operator.said(said.LaunchRequested)[0].spec.launch_id
        pull = Phase(name="pull", state="running", started_at=ahead - timedelta(seconds=7))
        fleet.hub.publish(progress(launch_id, "running", pull=pull), box="alpha")
        await operator.sees("▶ pull the image             7 s")


async def test_two_servers_are_stopped_side_by_side(fleet: FakeFleet) -> None:
    box = fleet.boxes["alpha"]
    box.held = asyncio.Event()
    async with at_app(fleet) as operator:
        for name in ("one", "two"):
            operator.app.feeds.stop("alpha", name)
        await operator.until(lambda: len(box.calls) == 2, "both have begun")
        box.held.set()
        await operator.hears("one was stopped.")
        await operator.hears("two was stopped.")
