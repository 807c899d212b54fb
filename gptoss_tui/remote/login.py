"""One login: its clock, which stands still while a person types, and what it may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from gptoss_tui.domain.prompts import Prompter, PromptRequest
from gptoss_tui.domain.secret import Secret
from gptoss_tui.remote.gates import Place


class Clock:
    """The time that a login has left, in seconds; once it is left, nothing starts it again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._limit = asyncio.timeout(seconds)
        self._stopped = 0
        self._running = False

    async def __aenter__(self) -> Clock:
        await self._limit.__aenter__()
        self._running = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running = False
        await self._limit.__aexit__(kind, error, trace)

    def restart(self, seconds: float) -> None:
        """A new span from now on (the server answers: now it is about the login)."""
        self.seconds = seconds
        if not self._stopped:
            self._set(asyncio.get_running_loop().time() + seconds)

    def stop(self) -> None:
        self._stopped += 1
        self._set(None)

    def go_on(self) -> None:
        self._stopped -= 1
        self.restart(self.seconds)

    def _set(self, when: float | None) -> None:
        if self._running and not self._limit.expired():
            self._limit.reschedule(when)


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
    def waiting(self, what: str, after_s: float = 0.0, *, ours: bool = True) -> Iterator[None]:
        """While a person does something: no clock runs, and others may pass.

        What may also be over at once (an agent that asks nobody) is told of only `after_s`. Not
        `ours` is the question of another login: a server that hangs up meanwhile is tried again.
        """
        told = False

        def tell() -> None:
            nonlocal told
            told = True
            self._place.leave()
            self._tell(self.box, what)

        self._clock.stop()
        self.unanswered = what if ours else ""
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
