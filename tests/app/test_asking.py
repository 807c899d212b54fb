"""What a box needs of a person: prompts, and a word on its host key."""

from __future__ import annotations

import asyncio

import pytest

from gptoss_tui.domain.host import LinkState
from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import ChangedHostKeyError, StateError
from tests.app.fakes import FakeFleet
from tests.app.support import Operator, assert_clean, at_app
from tests.app.test_boxes import unknown_key

SECRET = "correct horse"


def _asked(fleet: FakeFleet, **changes: object) -> asyncio.Task[Secret | None]:
    words = {"kind": "password", "title": "alpha: password", "text": "Password of alpha:"}
    request = PromptRequest("alpha", **(words | changes))  # type: ignore[arg-type]
    assert fleet.prompter is not None
    return asyncio.create_task(fleet.prompter.ask(request))


async def _typed(operator: Operator, text: str) -> None:
    await operator.at("SecretDialog")
    await operator.press(*("space" if sign == " " else sign for sign in text), "enter")


async def test_a_secret_is_typed_unseen(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        task = _asked(fleet)
        await operator.at("SecretDialog")
        await operator.sees("alpha: password", "Password of alpha:")
        await operator.press(*("space" if sign == " " else sign for sign in SECRET))
        await operator.sees("•••")
        assert "horse" not in operator.screen
        await operator.press("enter")
        answer = await asyncio.wait_for(task, 5)
        assert answer is not None
        assert answer.reveal() == SECRET
        await operator.at("BoxesScreen")
        assert SECRET not in repr(operator.app.__dict__)


async def test_what_may_be_seen_is_seen(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        task = _asked(fleet, echo=True, text="Which device?")
        await operator.at("SecretDialog")
        await operator.press(*"phone")
        await operator.sees("phone")
        await operator.press("enter")
        assert await asyncio.wait_for(task, 5) is not None


@pytest.mark.parametrize("key", ["escape", "ctrl+g"])
async def test_closing_is_no_answer_and_enter_is_an_empty_one(fleet: FakeFleet, key: str) -> None:
    async with at_app(fleet) as operator:
        task = _asked(fleet)
        await operator.at("SecretDialog")
        await operator.press(key)
        assert await asyncio.wait_for(task, 5) is None
        task = _asked(fleet)
        await _typed(operator, "")
        answer = await asyncio.wait_for(task, 5)
        assert answer is not None
        assert answer.reveal() == ""


async def test_one_question_at_a_time(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        first, second = _asked(fleet, text="The first?"), _asked(fleet, text="Then?", again=True)
        await operator.sees("The first?")
        await _typed(operator, "a")
        await operator.sees("Then?", "That was not accepted.")
        await _typed(operator, "b")
        answers = [await asyncio.wait_for(task, 5) for task in (first, second)]
        assert [answer and answer.reveal() for answer in answers] == ["a", "b"]


async def test_the_dialog_goes_with_whoever_asked(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        task = _asked(fleet)
        await operator.at("SecretDialog")
        task.cancel()
        await operator.at("BoxesScreen")
        again = _asked(fleet)  # and nothing is left that would hold up the next one
        await _typed(operator, "x")
        assert await asyncio.wait_for(again, 5) is not None


async def test_a_servers_words_draw_nothing(fleet: FakeFleet) -> None:
    async with at_app(fleet) as operator:
        task = _asked(fleet, title="\x1b]0;x\x07[b]t[/b]", text="\x1b[2J\u202e[red]Code[/red]:")
        await operator.at("SecretDialog")
        await operator.sees("[red]Code[/red]:", "[b]t[/b]")
        assert_clean(operator.lines)
        await operator.press("escape")
        await asyncio.wait_for(task, 5)


async def test_a_box_says_what_it_needs(fleet: FakeFleet) -> None:
    async with at_app(fleet, (120, 40)) as operator:
        state = LinkState(phase="needs_you", reason="alpha: touch the security key")
        fleet.hub.publish(state, box="alpha")
        await operator.sees("? needs you", "alpha: touch the security key")
        fleet.hub.publish(LinkState(phase="connecting"), box="alpha")
        await operator.sees("… connecting")


def _changed(*, ours: bool) -> ChangedHostKeyError:
    return ChangedHostKeyError(
        "The host key of alpha has CHANGED: it is now SHA256:new, and SHA256:old is on file.",
        "If you know that the box is new: do this.",
        host="alpha", port=22, fingerprint="SHA256:new", key="alpha ssh-ed25519 NEW", ours=ours,
    )  # fmt: skip


async def test_an_old_key_of_ours_can_be_forgotten(fleet: FakeFleet) -> None:
    fleet.refuses["connect"] = _changed(ours=True)
    async with at_app(fleet, (120, 40)) as operator:
        await operator.press("enter")
        await operator.at("AskDialog")
        await operator.sees("SHA256:new", "SHA256:old", "Forget the old key (f)")
        await operator.press("f")
        await operator.sees("● connected")
    assert fleet.forgotten == ["alpha ssh-ed25519 NEW"]


async def test_a_key_in_a_file_of_the_users_is_not_touched(fleet: FakeFleet) -> None:
    fleet.refuses["connect"] = _changed(ours=False)
    async with at_app(fleet, (120, 40)) as operator:
        await operator.press("enter")
        await operator.at("AskDialog")
        await operator.press("f")
        await operator.sees("do this.")
        await operator.press("c")
        await operator.sees("✗ lost")
    assert fleet.forgotten == []


async def test_a_file_that_cannot_be_written_is_said(fleet: FakeFleet) -> None:
    fleet.refuses |= {"connect": _changed(ours=True), "forget_host_key": StateError("Full.")}
    async with at_app(fleet) as operator:
        await operator.press("enter")
        await operator.at("AskDialog")
        await operator.press("f")
        await operator.hears("Full.")


async def test_boxes_behind_one_unknown_host_ask_once(fleet: FakeFleet) -> None:
    fleet.refuses["connect"] = unknown_key()
    async with at_app(fleet) as operator:
        for name in ("alpha", "beta"):
            operator.app.feeds.connect(name)
        await operator.at("AskDialog")
        await operator.settle()
        await operator.press("a")
        await operator.at("BoxesScreen")
        await operator.until(lambda: fleet.connected == {"alpha", "beta"}, "both are connected")
    assert fleet.accepted == ["ssh-ed25519 AAAA"]
