"""A session that only watches says so on every place, and asks nothing that it would refuse."""

from __future__ import annotations

import pytest

from gptoss_tui.app import messages as said
from tests.app.fakes import FakeFleet
from tests.app.make import server
from tests.app.support import at_app
from tests.app.test_dashboard import alpha, watching


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_every_place_is_marked(fleet: FakeFleet, size: tuple[int, int]) -> None:
    fleet.read_only = True
    async with watching(fleet, size) as operator:
        assert operator.lines[-1].endswith("read-only  ? Keys")
        await operator.press("q")
        await operator.at("BoxesScreen")
        await operator.until(lambda: operator.lines[-1].endswith("read-only  ? Keys"), "marked")


async def test_a_session_that_changes_things_has_no_mark(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        await operator.sees("? Keys")
        assert "read-only" not in operator.screen


async def test_what_would_be_refused_is_not_asked(fleet: FakeFleet) -> None:
    fleet.read_only = True
    alpha(fleet).servers = (server(),)
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("● ready")
        await operator.press("s")
        await operator.hears("This is a read-only session: nothing can be stopped.")
        operator.app.post_message(said.CancelLaunchRequested("alpha", "20260304-120000-abcdef"))
        await operator.hears("This is a read-only session: nothing can be cancelled.")
        await operator.press("w")
        await operator.hears("This is a read-only session: nothing can be launched.")
        assert type(operator.app.screen).__name__ == "DashboardScreen"
    assert alpha(fleet).calls == []
