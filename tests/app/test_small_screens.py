"""On 40 by 12 cells everything that must be read or pressed is in sight; on 160 nothing is cramped."""

from __future__ import annotations

from typing import Any

import pytest
from textual.geometry import Size

from gptoss_tui.app.screens.dialogs import AskDialog
from gptoss_tui.domain.progress import LaunchState, Phase
from tests.app.fakes import FakeFleet
from tests.app.make import server
from tests.app.support import Operator
from tests.app.test_dashboard import alpha, watching
from tests.app.test_launching import progress, running, wizard

SMALL = (40, 12)


async def stop_question(operator: Operator) -> None:
    await operator.press("3")
    await operator.sees("● ready")
    await operator.press("s")
    await operator.until(lambda: isinstance(operator.app.screen, AskDialog), "it is asked")


@pytest.mark.parametrize("size", [SMALL, (80, 24), (40, 40), (120, 14)])
async def test_all_answers_are_in_sight(fleet: FakeFleet, size: tuple[int, int]) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet, size) as operator:
        await stop_question(operator)
        await operator.sees("Stop gpt-oss-20b on alpha", "Yes, stop it (y)", "Restart (r)")
        await operator.sees("Cut now (c)", "Keep it (n)")


async def test_a_question_that_is_too_long_is_scrolled(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet, SMALL) as operator:
        await stop_question(operator)
        assert "take it out there" not in operator.flat
        await operator.press(*["down"] * 12)
        await operator.sees("Keep it (n)")
        assert "Stop gpt-oss-20b on" not in operator.flat


async def test_the_port_of_a_server_is_not_cut(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet, SMALL) as operator:
        await operator.press("3")
        await operator.sees("● ready gpt-oss-20b :8000  1 GPU")
        await operator.press("o")
        await operator.sees("http://127.0.0.1:45678/v1")
        operator.app.clear_notifications()
        await operator.sees("open: http://127.0.0.1:45678/v1")


async def test_how_a_launch_ended_is_in_sight(fleet: FakeFleet) -> None:
    async with watching(fleet, SMALL) as operator:
        await operator.until(lambda: operator.app.model("alpha").report is not None, "looked at")
        await operator.press("w")
        await operator.at("WizardScreen")
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        launch_id = operator.app.screen._launch_id  # type: ignore[attr-defined]
        fleet.hub.publish(progress(launch_id, "running"), box="alpha")
        await operator.sees("It goes on by itself")
        fleet.hub.publish(progress(launch_id, "ready"), box="alpha")
        await operator.sees("✓ Ready.", "From this laptop:")


async def test_a_timeline_can_be_read_while_it_goes_on_and_after(fleet: FakeFleet) -> None:
    async with wizard(fleet, (80, 12)) as operator:
        await operator.press("ctrl+l")
        await operator.at("LaunchScreen")
        screen: Any = operator.app.screen

        def tell(state: LaunchState, **phases: Phase) -> None:
            fleet.hub.publish(progress(screen._launch_id, state, **phases), box="alpha")

        tell("running", compile=running("compile"))
        await operator.sees("▶ compile")
        assert "reserve GPU" not in operator.screen
        await operator.press("tab", "home")
        await operator.sees("reserve GPU and port")
        tell("running", compile=running("compile", last_s=9.0))
        screen._draw()  # as each second
        await operator.settle()
        assert "reserve GPU" in operator.screen
        tell("running", warmup=running("warmup"))
        await operator.sees("▶ warm up")
        tell("ready")
        await operator.sees("✓ Ready.")
        await operator.press("home")
        await operator.sees("reserve GPU and port")
        screen._draw()
        await operator.settle()
        assert "reserve GPU" in operator.screen


async def test_the_keys_stand_below_each_other_where_two_columns_do_not_fit(
    fleet: FakeFleet,
) -> None:
    async with watching(fleet, SMALL) as operator:
        await operator.press("question_mark")
        await operator.sees("Keys of this place")
        keys = [line for line in operator.lines if "GPUs" in line or "Engine" in line]
        assert (
            len({line.index(word) for line, word in zip(keys, ("GPUs", "Engine"), strict=True)})
            == 1
        )


@pytest.mark.parametrize(("width", "form"), [(80, 36), (120, 36), (160, 48), (240, 60)])
async def test_the_form_of_the_wizard_grows_with_the_screen(
    fleet: FakeFleet, width: int, form: int
) -> None:
    async with wizard(fleet, (width, 48)) as operator:
        size: Size = operator.app.screen.query_one("#form").outer_size
        assert size.width == form
