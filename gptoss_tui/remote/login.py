"""One login: its clock, which stands still while a person types, and its place among the others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from gptoss_tui.domain.prompts import Prompter, PromptRequest
from gptoss_tui.domain.secret import Secret

# More at once would trip a bastion's MaxStartups (10:30:100 by default).
HANDSHAKES = 4


# A server that has not answered by then does not count at MaxStartups, so it holds up nobody.
DIALING_S = 1.0


class Gate:
    """At most so many handshakes at once, in the order of asking.

    One that waits for a person, or for a server that does not answer, holds up nobody.
    """

    def __init__(self, most: int = HANDSHAKES) -> None:
        self._free = most
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        """Wait for a place."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def force(self) -> None:
        """Take a place although none may be free: those to come wait the longer."""
        self._free -= 1

    def release(self) -> None:
        """Give a place back."""
        self._free += 1
        while self._free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._free -= 1
                turn.set_result(None)


class Place:
    """One login's place in the gate, given up for good at its first question.

    Waiting for it again could make a server give up a login whose answer has been typed already.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held = self._silent = False
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Place:
        await self._gate.acquire()
        self._held = True
        self._timer = asyncio.get_running_loop().call_later(DIALING_S, self._not_reached)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def reached(self) -> None:
        """The server answers: from now on it counts this login, so we do too."""
        self._stop_timer()
        if self._silent:
            self._silent = False
            self._gate.force()
            self._held = True

    def leave(self) -> None:
        """Let the next one in; the same again does nothing."""
        self._stop_timer()
        self._silent = False
        self._release()

    def _not_reached(self) -> None:
        self._silent = self._held
        self._release()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._gate.release()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


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

    `cancelled` says that a person declined, `unasked` that there was nobody to ask, `unanswered`
    what was still waited for. `tell` shows what a person has to do elsewhere (touch a key).
    """

    def __init__(
        self, box: str, prompter: Prompter | None, clock: Clock, place: Place, tell: Tell
    ) -> None:
        self.box = box
        self.cancelled = False
        self.unasked = False
        self.unanswered = ""
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
    def waiting(self, what: str, after_s: float = 0.0) -> Iterator[None]:
        """While a person does something: no clock runs, and others may pass.

        What may also be over at once (an agent that asks nobody) is told of only `after_s`.
        """
        told = False

        def tell() -> None:
            nonlocal told
            told = True
            self._place.leave()
            self._tell(self.box, what)

        self._clock.stop()
        self.unanswered = what
        timer = asyncio.get_running_loop().call_later(after_s, tell) if after_s else None
        if timer is None:
            tell()
        try:
            yield
        except asyncio.CancelledError:
            raise  # it stays unanswered: the server hung up, or the login was ended
        except BaseException:
            self.unanswered = ""
            raise
        else:
            self.unanswered = ""
        finally:
            if timer is not None:
                timer.cancel()
            if told:
                self._tell(self.box, "")
            self._clock.go_on()


Tell = Callable[[str, str], None]
"""Says of a box what is needed of a person; an empty text once it was done."""
