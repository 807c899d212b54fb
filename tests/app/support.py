"""An operator at the app: presses keys, reads the screen, and knows what was asked for."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from textual.message import Message
from textual.notifications import Notify
from textual.pilot import Pilot

from gptoss_tui.app.app import GptossApp
from gptoss_tui.remote.fleet_port import FleetPort

# The machine may be busy: a condition that never holds fails after this long.
DEADLINE_S = 30.0  # a busy machine is slow, not wrong
M = TypeVar("M", bound=Message)
BIDI = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Operator:
    """One run of the app."""

    def __init__(self, app: GptossApp, pilot: Pilot[None], messages: list[Message]) -> None:
        self.app = app
        self.pilot = pilot
        self._messages = messages

    async def press(self, *keys: str) -> None:
        """One key after the other, each when what the one before it did is done."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause(0)

    async def write(self, text: str) -> None:
        """Type `text` into what has the focus."""
        await self.press(*("space" if letter == " " else letter for letter in text))

    async def settle(self) -> None:
        """Let everything that was posted be taken in."""
        await self.pilot.pause(0.01)

    async def until(
        self, holds: Callable[[], bool], what: str, seconds: float = DEADLINE_S
    ) -> None:
        """Give the app time until `holds`; fails with `what` and the screen after the deadline."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not holds():
            assert loop.time() < deadline, f"not in {seconds} s: {what}\n{self.screen}"
            await self.settle()

    async def sees(self, *texts: str, seconds: float = DEADLINE_S) -> None:
        """Wait until all `texts` are on the screen."""
        for text in texts:
            await self.until(lambda text=text: text in self.screen, f"{text!r} is shown", seconds)  # type: ignore[misc]

    @property
    def told(self) -> list[str]:
        """What the passing notices said (they wrap, so that a screen shows them in pieces)."""
        return [
            f"{notice.notification.title} {notice.notification.message}"
            for notice in self.said(Notify)
        ]

    async def hears(self, *texts: str, seconds: float = DEADLINE_S) -> None:
        """Wait until notices said all `texts`."""
        for text in texts:
            heard = lambda text=text: any(text in notice for notice in self.told)  # noqa: E731
            await self.until(heard, f"a notice says {text!r}, not only {self.told}", seconds)

    async def sees_no(self, text: str) -> None:
        """Wait until `text` is not (or no longer) on the screen."""
        await self.until(lambda: text not in self.screen, f"{text!r} is gone")

    async def at(self, place: str) -> None:
        """Wait until this place (the name of its class) is in front, and drawn."""

        def there() -> bool:
            screen = self.app.screen
            return type(screen).__name__ == place and getattr(screen, "hears", True)

        await self.until(there, f"{place} is in front")
        await self.settle()

    @property
    def lines(self) -> list[str]:
        """The screen, as a reader of the terminal sees it."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    @property
    def screen(self) -> str:
        return "\n".join(self.lines)

    @property
    def flat(self) -> str:
        """The screen without frames and line ends, to find sentences that were wrapped."""
        return " ".join("".join(c if c not in "│╭╮╰╯─┃" else " " for c in self.screen).split())

    def said(self, kind: type[M]) -> list[M]:
        """The messages of this kind that were posted, in order."""
        return [message for message in self._messages if isinstance(message, kind)]


def assert_clean(lines: list[str]) -> None:
    """No control character and no bidirectional override may reach the terminal."""
    for line in lines:
        bad = [c for c in line if unicodedata.category(c) in ("Cc", "Cs") or c in BIDI]
        assert not bad, f"{bad!r} in {line!r}"


@asynccontextmanager
async def at_app(
    fleet: FleetPort,
    size: tuple[int, int] = (80, 24),
    *,
    clock: Callable[[], datetime] | None = None,
    demo: bool = False,
    drain_on_preemption: bool = False,
) -> AsyncIterator[Operator]:
    """The app over `fleet`, on a terminal of this size."""
    app = GptossApp(fleet, demo=demo, clock=clock, drain_on_preemption=drain_on_preemption)
    messages: list[Message] = []
    seen: set[int] = set()

    def hook(message: Message) -> None:
        ours = type(message).__module__.startswith("gptoss_tui.") or isinstance(message, Notify)
        if ours and id(message) not in seen:
            seen.add(id(message))
            messages.append(message)  # kept, so that no later one has its id

    async with app.run_test(size=size, notifications=True, message_hook=hook) as pilot:
        yield Operator(app, pilot, messages)
