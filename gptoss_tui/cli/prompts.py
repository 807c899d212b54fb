"""Asking on the terminal: passphrases, passwords and second factors of a login."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from gptoss_tui.domain.prompts import PromptRequest
from gptoss_tui.domain.secret import Secret


class TerminalPrompter:
    """Asks on standard error, reads standard input; nobody is there when one is no terminal.

    Not by `getpass`: its thread would hold up Ctrl-C until Enter is pressed.
    """

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    @property
    def absent(self) -> bool:
        return not (sys.stdin.isatty() and sys.stderr.isatty())

    async def ask(self, request: PromptRequest) -> Secret | None:
        """The line that was typed; None on Ctrl-D, and where nobody is there."""
        if self.absent:
            return None
        async with self._one:
            if request.again:
                print("That was not accepted.", file=sys.stderr)
            print(f"{request.text} ", end="", file=sys.stderr, flush=True)
            with _echo(request.echo):
                line = await _line(sys.stdin.fileno())
            if not request.echo:
                print(file=sys.stderr)
        return Secret(line.rstrip("\r\n")) if line else None


@contextmanager
def _echo(shown: bool) -> Iterator[None]:
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    if not shown:
        hidden = list(before)
        hidden[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


async def _line(terminal: int) -> str:
    """One line, without holding up the loop: the box's heartbeats go on."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        if not typed.done():
            typed.set_result(os.read(terminal, 4096))

    loop.add_reader(terminal, read)
    try:
        return (await typed).decode("utf-8", "replace")
    finally:
        loop.remove_reader(terminal)
