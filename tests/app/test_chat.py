"""Talking to a server: what streams, what it measured, keys, stopping, failing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.events import Key

from gptoss_tui.app import messages as said
from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatRequest
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import EngineError
from tests.app.fakes import FakeBox, FakeFleet
from tests.app.make import server
from tests.app.support import Operator, at_app

DONE = ChatDone(
    finish_reason="stop",
    ttft_s=0.084,
    answer_ttft_s=1.24,
    total_s=3.0,
    completion_tokens=99,
    tokens_per_s=143.4,
)


@asynccontextmanager
async def chatting(fleet: FakeFleet, **changes: Any) -> AsyncIterator[tuple[Operator, FakeBox]]:
    box = fleet.boxes["alpha"]
    box.servers = (server(**changes),)
    async with at_app(fleet) as operator:
        await operator.press("enter")
        await operator.sees("gpt-oss-20b ready")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.press("4")
        await operator.sees("Chat · gpt-oss-20b")
        yield operator, box


def key_of(call: tuple[object, ...]) -> str | None:
    return call[3].reveal() if isinstance(call[3], Secret) else None


def calls(box: FakeBox) -> list[tuple[object, ...]]:
    return [call for call in box.calls if call[0] == "chat"]


async def test_reasoning_and_answer_are_apart_and_measured(fleet: FakeFleet) -> None:
    async with chatting(fleet) as (operator, box):
        box.answer = (
            ChatDelta(channel="reasoning", text="Let me think."),
            ChatDelta(channel="answer", text="It is "),
            ChatDelta(channel="answer", text="42."),
            DONE,
        )
        await operator.write("why?")
        await operator.press("enter")
        await operator.sees("you  why?", "Let me think.", "It is 42.")
        await operator.sees("complete · first token 84 ms, of the answer 1.24 s · 143 tokens/s")
        await operator.press("ctrl+t")
        await operator.sees("(reasoning: 13 characters)")
        await operator.sees_no("Let me think.")
        await operator.press("ctrl+y")
        await operator.hears("Copied: the answer")
        assert operator.said(said.CopyRequested)[0].text == "It is 42."
        await operator.write("and?")
        await operator.press("ctrl+e", "enter")
        await operator.sees("you  and?")
    asked = calls(box)
    assert [said_.content for said_ in request_of(asked[1]).messages] == [
        "why?",
        "It is 42.",
        "and?",
    ]
    assert [request_of(call).effort for call in asked] == ["medium", "high"]


def request_of(call: tuple[object, ...]) -> ChatRequest:
    assert isinstance(call[2], ChatRequest)
    return call[2]


async def test_what_is_not_measured_is_unknown(fleet: FakeFleet) -> None:
    async with chatting(fleet) as (operator, box):
        box.answer = (ChatDone(finish_reason="length", total_s=1.0),)
        await operator.press("f4")
        await operator.sees("Count from 1 to 10.", "cut off: token limit · first token --")
        await operator.until(lambda: "-- tokens/s · -- tokens" in operator.flat, "unknown")


async def test_an_answer_is_stopped_and_one_streams_at_a_time(fleet: FakeFleet) -> None:
    async with chatting(fleet) as (operator, box):
        box.answer = (ChatDelta(channel="answer", text="Once upon"),)
        await operator.press("f2")
        await operator.sees("Once upon", "…")
        await operator.press("f3")
        await operator.hears("An answer is still coming: ctrl+x stops it.")
        assert len(calls(box)) == 1
        await operator.press("ctrl+x")
        await operator.sees("✗ stopped")
        assert operator.said(said.ChatStopRequested)
        await operator.press("f3")
        await operator.sees("Explain MXFP4")
        await operator.until(lambda: len(calls(box)) == 2, "the next one is asked")


async def test_a_refusal_is_said_in_the_conversation(fleet: FakeFleet) -> None:
    async with chatting(fleet) as (operator, box):
        box.refuses["chat"] = EngineError("The server said 500.", "See its log.", status=500)
        await operator.press("f2")
        await operator.sees("✗ The server said 500. See its log.")
        assert [failure.status for failure in operator.said(said.ChatFailed)] == [500]
        await operator.at("DashboardScreen")


async def test_nothing_is_asked_with_nothing_to_say(fleet: FakeFleet) -> None:
    async with chatting(fleet) as (operator, box):
        await operator.press("enter", "space", "enter", "ctrl+y", "ctrl+x")
        assert calls(box) == []
        assert operator.said(said.ChatRequested) == []


async def test_a_key_is_asked_for_and_asked_anew_when_refused(fleet: FakeFleet) -> None:
    async with chatting(fleet, needs_api_key=True) as (operator, box):
        await operator.press("ctrl+e", "f2")
        await operator.sees("gpt-oss-20b wants an API key", "kept until the app ends")
        await operator.press("ctrl+g")
        await operator.at("DashboardScreen")
        assert calls(box) == []
        await operator.sees("│ Say hello in one sentence.")  # the question is not lost
        await operator.press("f2")
        await operator.at("SecretDialog")
        box.refuses["chat"] = EngineError("401", status=401)
        await operator.write("bad")
        await operator.press("enter")
        await operator.until(lambda: len(calls(box)) == 1, "the bad key is tried")
        await operator.at("SecretDialog")
        box.refuses.clear()
        box.answer = (ChatDelta(channel="answer", text="Hello."), DONE)
        await operator.write("good")
        await operator.press("enter")
        await operator.sees("Hello.", "complete")
        await operator.press("f3")
        await operator.until(lambda: len(calls(box)) == 3, "the key is kept")
    assert [key_of(call) for call in calls(box)] == ["bad", "good", "good"]
    assert {request_of(call).effort for call in calls(box)} == {"high"}


async def test_a_conversation_stays_when_its_place_is_left(fleet: FakeFleet) -> None:
    async with chatting(fleet) as (operator, box):
        box.answer = (ChatDelta(channel="answer", text="Once upon"),)
        await operator.press("f2")
        await operator.sees("Once upon")
        await operator.press("ctrl+g")
        await operator.sees("Once upon")  # the keys are the place's again, the answer stays in view
        await operator.press("q")
        await operator.at("BoxesScreen")
        box.hub.publish(
            ChatDelta(channel="answer", text=" a time"), box="alpha", instance="gpt-oss-20b"
        )
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.press("4")
        await operator.sees("Once upon a time")


async def test_no_key_loses_what_was_written(fleet: FakeFleet) -> None:
    async with chatting(fleet) as (operator, box):
        box.answer = (ChatDelta(channel="answer", text="Hello."), DONE)
        await operator.write("why")
        await operator.press("question_mark")
        await operator.sees("│ why?", "f1 Keys")  # in a field ? is a letter
        await operator.press("f1")
        await operator.sees("Keys of this place", "First ready question")
        await operator.press("f1")
        await operator.sees_no("Keys of this place")
        await operator.press("f2")
        await operator.sees("you  Say hello in one sentence.", "complete", "│ why?")
        await operator.press("ctrl+g")
        await operator.sees("? Keys")
        await operator.press("q")
        await operator.at("BoxesScreen")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.press("4")
        await operator.sees("│ why?")
        for key in (Key("enter", None), Key("x", "x")):  # as from a terminal, in one burst
            operator.app.post_message(key)
        await operator.sees("you  why?", "│ x ")
        await operator.press("backspace")
        await operator.press("ctrl+g", "q", "enter", "4")
        await operator.sees("you  why?")
        assert "│ why?" not in operator.screen
    assert operator.app.models["alpha"].draft == ""


async def test_keys_about_an_answer_are_there_with_it(fleet: FakeFleet) -> None:
    async with chatting(fleet) as (operator, box):
        await operator.sees("^e Effort", "f1 Keys")
        assert "Stop answer" not in operator.lines[-1]
        assert "Copy answer" not in operator.lines[-1]
        box.answer = (ChatDelta(channel="answer", text="Once upon"),)
        await operator.press("f2")
        await operator.sees("^x Stop answer", "^y Copy answer")
        await operator.press("ctrl+x")
        await operator.sees_no("^x Stop answer")
        await operator.press("ctrl+g")
        await operator.sees("s Stop", "q Back")
        await operator.press("s")
        await operator.sees("Stop gpt-oss-20b on alpha")
