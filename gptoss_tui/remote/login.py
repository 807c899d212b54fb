"""One login: its clock, which stands still while a person types, and its place among the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from gptoss_tui.domain.prompts import Prompter, PromptRequest, Secret

# More at once would trip a bastion's MaxStartups (10:30:100 by default).
HANDSHAKES = 4


class Gate(asyncio.Semaphore):
    """At most so many handshakes at once; one that waits for a person holds up nobody."""

    def __init__(self, most: int = HANDSHAKES) -> None:
        super().__init__(most)


class Place:
    """One login's place in the gate, given up for good at its first question.

    Waiting for it again could make a server give up a login whose answer has been typed already.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held = False

    async def __aenter__(self) -> Place:
        await self._gate.acquire()
        self._held = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Let the next one in; the same again does nothing."""
        if self._held:
            self._held = False
            self._gate.release()


class Clock:
    """The time that a login has left. `limit` is what the block below it runs under."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._limit = asyncio.timeout(seconds)
        self._stopped = 0

    async def __aenter__(self) -> Clock:
        await self._limit.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._limit.__aexit__(kind, error, trace)

    def restart(self, seconds: float) -> None:
        """A new span from now on (the server answers: now it is about the login)."""
        self.seconds = seconds
        if not self._stopped and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)

    def stop(self) -> None:
        self._stopped += 1
        if not self._limit.expired():
            self._limit.reschedule(None)

    def go_on(self) -> None:
        self._stopped -= 1
        self.restart(self.seconds)


class Questions:
    """What a login may ask: each question stops the clock and lets other logins pass.

    `cancelled` says that a person declined, `unasked` that there was nobody to ask. `tell` shows
    what a person has to do elsewhere (touch a key).
    """

    def __init__(
        self, box: str, prompter: Prompter | None, clock: Clock, place: Place, tell: Tell
    ) -> None:
        self.box = box
        self.cancelled = False
        self.unasked = False
        self._prompter = prompter
        self._clock = clock
        self._place = place
        self._tell = tell

    async def ask(self, request: PromptRequest) -> Secret | None:
        """The answer, or None: then nothing more is asked in this login."""
        if self._prompter is None:
            self.unasked = True
        if self._prompter is None or self.cancelled:
            return None
        with self.waiting(request.title):
            answer = await self._prompter.ask(request)
        if answer is None:
            self.cancelled = not self._prompter.absent
            self.unasked = self._prompter.absent
        return answer

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """While a person does something: no clock runs, and others may pass."""
        self._clock.stop()
        self._place.leave()
        self._tell(self.box, what)
        try:
            yield
        finally:
            self._tell(self.box, "")
            self._clock.go_on()


Tell = Callable[[str, str], None]
"""Says of a box what is needed of a person; an empty text once it was done."""
