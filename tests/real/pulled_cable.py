"""A cable that is pulled: `python -m tests.real.pulled_cable [--seconds 120]`.

Two real sshd in namespaces of their own, watched as the app does, a chat streaming from each. One
cable is out for some seconds, as in a change of Wi-Fi: nothing may be cut. The other is out for as
long as asked: the silence is told after 5 s, the connection given up after 30, on the box nothing of
ours is left a minute after the cable was pulled, and all comes back by itself, the log without a gap.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gptoss_tui.domain.chat import ChatDelta, ChatMessage, ChatRequest
from gptoss_tui.errors import GptossError
from tests.real import faults
from tests.real.as_app import AppBox, as_app
from tests.real.faults import eventually
from tests.real.light_box import LightBox, config_of, light_box, missing
from tests.real.light_engine import TALKER

SECONDS = 120.0
WIFI_S = 8.0
DEGRADED_S = 8.0  # 5 s after the last byte, and a look about every second
LOST_S = 35.0  # 30 s, and a busy machine
LEFT_S = 60.0  # from the moment at which the cable was pulled
BACK_S = 75.0  # the longest pause between attempts is 36 s, and one of them may have to time out
LINES_S = 30.0


@dataclass
class Outcome:
    """Seconds from the moment at which the cable was pulled, `back_s` from its return.

    `wrong` is empty when all held.
    """

    seconds: float
    degraded_s: float = 0.0
    lost_s: float = 0.0
    nothing_left_s: float = 0.0
    back_s: float = 0.0
    chat_ended: str = ""
    lines: int = 0
    tokens_across_wifi: int = 0
    wrong: list[str] = field(default_factory=list)


class Chat:
    """An answer that goes on for ever: numbers, which tell of a gap by themselves."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.ended = ""

    async def run(self, box: AppBox) -> None:
        request = ChatRequest(messages=(ChatMessage(role="user", content="count"),))
        try:
            async with aclosing(cast("Any", box.opened.chat(TALKER, request))) as facts:
                async for fact in facts:
                    if isinstance(fact.body, ChatDelta):
                        self.tokens += [int(word) for word in fact.body.text.split()]
            self.ended = "the answer ended"
        except GptossError as error:
            self.ended = f"{type(error).__name__}: {error.message}"

    async def grows(self) -> None:
        before = len(self.tokens)
        await eventually("the chat goes on", lambda: len(self.tokens) > before + 3, 30)


def pull(seconds: float) -> Outcome:
    """All of it, boxes included."""
    outcome = Outcome(seconds)
    with (
        tempfile.TemporaryDirectory(prefix="gptoss-cable-") as name,
        light_box() as one,
        light_box() as two,
    ):
        asyncio.run(_both(outcome, {"pulled": one, "wifi": two}, Path(name)))
    return outcome


async def _both(outcome: Outcome, lights: dict[str, LightBox], home: Path) -> None:
    config = config_of(lights, home)
    async with as_app(config, home, *lights) as (pulled, wifi):
        ended = await asyncio.gather(
            _pulled(outcome, lights["pulled"], pulled),
            _wifi(outcome, lights["wifi"], wifi),
            return_exceptions=True,
        )
        for what in ended:
            if isinstance(what, AssertionError):
                outcome.wrong.append(f"{what} {getattr(what, '__notes__', '')}")
            elif what is not None:
                raise what
        for light, box in zip(lights.values(), (pulled, wifi), strict=True):
            await _whole(outcome, light, box)


async def _wifi(outcome: Outcome, light: LightBox, box: AppBox) -> None:
    chat = Chat()
    chatting = asyncio.create_task(chat.run(box), name="chat")
    try:
        await chat.grows()
        _cable(light, box, "down")
        await eventually("degraded", lambda: box.seen.phase == "degraded", DEGRADED_S)
        await asyncio.sleep(WIFI_S - 5)
        _cable(light, box, "up")
        await eventually("up", lambda: box.seen.phase == "up", 15)
        await chat.grows()
        await box.flows()
        assert box.seen.losses == 0, "a change of Wi-Fi cut the connection"
        assert chat.tokens == list(range(len(chat.tokens))), f"a gap in the chat: {chat.tokens}"
        outcome.tokens_across_wifi = len(chat.tokens)
    finally:
        chatting.cancel()
        await asyncio.gather(chatting, return_exceptions=True)


async def _pulled(outcome: Outcome, light: LightBox, box: AppBox) -> None:
    loop, seen, chat = asyncio.get_running_loop(), box.seen, Chat()
    chatting = asyncio.create_task(chat.run(box), name="chat")
    try:
        await chat.grows()
        began = loop.time()
        _cable(light, box, "down")
        await eventually("degraded", lambda: seen.phase == "degraded", DEGRADED_S)
        outcome.degraded_s = round(loop.time() - began, 1)
        await eventually("lost", lambda: seen.losses == 1, began + LOST_S - loop.time())
        outcome.lost_s = round(loop.time() - began, 1)
        await eventually("the chat ends", lambda: chat.ended, 5)
        outcome.chat_ended = chat.ended
        assert chat.ended.startswith("ConnectionLostError"), chat.ended
        assert chat.tokens == list(range(len(chat.tokens))), f"a gap in the chat: {chat.tokens}"
        await faults.nothing_left(light.box, began + LEFT_S - loop.time())
        outcome.nothing_left_s = round(loop.time() - began, 1)
        await asyncio.sleep(began + outcome.seconds - loop.time())
        assert seen.phase in ("lost", "retrying"), f"{seen.phase} with its cable out"
        _cable(light, box, "up")
        back = loop.time()
        await box.flows(BACK_S)
        outcome.back_s = round(loop.time() - back, 1)
    finally:
        _cable(light, box, "up")
        chatting.cancel()
        await asyncio.gather(chatting, return_exceptions=True)


def _cable(light: LightBox, box: AppBox, state: str) -> None:
    faults.cable(light.box, state)
    box.seen.fault = f"cable {state}"
    box.seen.gone_since = asyncio.get_running_loop().time() if state == "down" else None


async def _whole(outcome: Outcome, light: LightBox, box: AppBox) -> None:
    """Its log came exactly once, and nothing old was shown as new."""
    written = await asyncio.to_thread(light.fall_silent)
    lines = box.seen.lines
    try:
        await eventually("all lines", lambda: lines.expected >= written, LINES_S)
    except AssertionError:
        outcome.wrong.append(f"{box.name}: {lines.expected} of {written} lines came")
    outcome.wrong += [f"{box.name}: {what}" for what in (*lines.wrong, *box.seen.wrong)]
    outcome.lines += written


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real.pulled_cable", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long the cable is out")
    arguments = parser.parse_args(words)
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 2
    outcome = pull(arguments.seconds)
    print(json.dumps(vars(outcome), indent=1))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
