"""The wizard's form: what is wrong in it is said at once and first, and a field keeps what it holds."""

from __future__ import annotations

import re

import pytest
from textual.events import Key
from textual.widgets import Input

from gptoss_tui.app import messages as said
from gptoss_tui.domain.gpu import MIB
from gptoss_tui.domain.host import Finding
from tests.app.fakes import FakeFleet
from tests.app.make import gpu, report, server
from tests.app.test_wizard import fill, launched, plan_of, wizard

NO_NAME = "✗ 'my server' is no container name."
NO_PORT = "✗ 70000 is no port."


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_all_that_is_wrong_in_the_form_is_said_at_once_and_first(
    fleet: FakeFleet, size: tuple[int, int]
) -> None:
    async with wizard(fleet, size) as operator:
        await fill(operator, name="my server", port="70000")
        await operator.until(lambda: NO_PORT in plan_of(operator), "both faults")
        said_first, _, then = plan_of(operator).partition("✓")
        assert said_first.startswith(NO_NAME)
        assert NO_PORT in said_first
        assert then.startswith(" fits")  # the plan is shown all the same
        assert "docker run" not in operator.screen
        await operator.press("ctrl+l")
        await operator.hears("Nothing is launched: 'my server' is no container name.")
        await operator.hears("70000 is no port.")
        await operator.press("ctrl+y")
        await operator.hears("There is no command yet: 'my server' is no container name.")
        assert operator.said(said.LaunchRequested) == []
        assert operator.said(said.CopyRequested) == []
        await fill(operator, name="mine", port="8100")
        asked = await launched(operator)
    assert (asked.spec.name, asked.spec.port) == ("mine", 8100)


async def test_what_is_taken_and_what_is_no_number_is_said_beside_it(fleet: FakeFleet) -> None:
    fleet.boxes["alpha"].report = report(2)
    fleet.boxes["alpha"].servers = (server("mine", port=8003, gpu_ids=("GPU-1",)),)
    async with wizard(fleet) as operator:
        await fill(operator, version="new", context="k", users="", name="mine", port="8003")
        for words in (
            "✗ 'new' is no vLLM version.", "✗ The context must be a whole number, not 'k'.",
            "✗ Users must be a whole number, not ''.", "✗ There is a server mine already.",
            "✗ Port 8003 of the box is taken.",
        ):  # fmt: skip
            await operator.until(lambda words=words: words in plan_of(operator), words)  # type: ignore[misc]
        assert "✓ fits" not in operator.screen


async def test_where_the_form_stands_alone_the_first_fault_is_in_sight(fleet: FakeFleet) -> None:
    async with wizard(fleet, (60, 24)) as operator:
        await operator.sees("✓ fits  weights 13, KV 58 of 80 GiB")
        await fill(operator, port="70000", name="no name")
        await operator.sees("✗ 'no name' is no container name.")
        await fill(operator, name="")
        await operator.sees("✗ 70000 is no port.")


async def test_the_form_begins_with_as_many_users_as_fit(fleet: FakeFleet) -> None:
    """As `plan` and `launch` do without `--users`: a small card is launched on at once."""
    small = gpu(
        name="NVIDIA L4",
        memory_total_bytes=23_034 * MIB,
        compute_capability="8.9",
        power_limit_w=72.0,
    )
    fleet.boxes["alpha"].report = report(gpus=(small,))
    async with wizard(fleet) as operator:
        users = operator.app.screen.query_one("#users", Input).value
        assert 1 <= int(users) < 8
        await operator.sees("fits")
        assert f"For {users} user" in plan_of(operator)


async def test_what_does_not_fit_comes_before_what_is_fine(fleet: FakeFleet) -> None:
    fine = Finding(code="docker", level="ok", what="Docker is there.", do="", topic="Docker")
    fleet.boxes["alpha"].report = report(findings=(fine,))
    async with wizard(fleet) as operator:
        await operator.sees("✓ the box was checked: nothing stands in the way")
        await fill(operator, users="5000")
        stops = re.compile(
            r"✗ does not fit 5,000 users with 32,768 tokens each do not fit at once: with these "
            r"flags (\d+) do\."
        )
        await operator.until(
            lambda: stops.match(plan_of(operator)) is not None, "the verdict comes first"
        )
        (many,) = stops.match(plan_of(operator)).groups()  # type: ignore[union-attr]
        await operator.until(
            lambda: f"→ instead: {many} users at once" in plan_of(operator), "as many as those"
        )


@pytest.mark.parametrize("key", ["ctrl+g", "escape"])
@pytest.mark.parametrize(
    "field", ["version", "context", "users", "name", "port", "api-key", "hf-token"]
)
async def test_leaving_a_field_keeps_what_it_holds(fleet: FakeFleet, field: str, key: str) -> None:
    text = "0.31.0" if field == "version" else "8192"
    async with wizard(fleet) as operator:
        await fill(operator, **{field: text})
        await operator.press(key)
        await operator.until(lambda: operator.app.screen.focused is None, "the field is left")
        assert operator.app.screen.query_one(f"#{field}", Input).value == text
        await operator.press("tab")  # from there into the form again
        first = operator.app.screen.query_one("#model")
        await operator.until(lambda: operator.app.screen.focused is first, "the form again")
        await operator.press(key)
        await operator.at("BoxesScreen")


async def test_what_is_typed_right_behind_it_does_not_reach_the_field(fleet: FakeFleet) -> None:
    async with wizard(fleet) as operator:
        operator.app.screen.query_one("#name").focus()
        await operator.settle()
        for key in ("a", "b", "ctrl+g", "x"):  # as from a terminal, in one burst
            operator.app.post_message(Key(key, key if len(key) == 1 else None))
        await operator.until(lambda: operator.app.screen.focused is None, "the field is left")
        await operator.settle()
        assert operator.app.screen.query_one("#name", Input).value == "ab"
