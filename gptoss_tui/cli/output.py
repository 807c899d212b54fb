"""How commands speak: sentences for people, one JSON document or one object a line for scripts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

import msgspec

from gptoss_tui.domain.gpu import GIB
from gptoss_tui.errors import GptossError
from gptoss_tui.text import clean


class Output:
    """Where a command's results go. `json` decides the form; both are flushed line by line.

    `fill` completes lines of ours in sentences for people (`session.filled`); `lines` is where
    lines for people go.
    """

    def __init__(
        self, json: bool, fill: Callable[[str], str] = str, lines: TextIO | None = None
    ) -> None:
        self.json = json
        self._fill = fill
        self._lines = lines  # None: standard output, as it is when a line is said

    def beside(self) -> Output:
        """The same on standard error, for what is no part of the result."""
        return Output(self.json, self._fill, sys.stderr)

    def line(self, text: str = "") -> None:
        """A line for people."""
        if not self.json:
            print(clean(text), file=self._lines or sys.stdout, flush=True)

    def advice(self, text: str) -> None:
        """A line for people that may name a command of ours."""
        self.line(self._fill(text))

    def piece(self, text: str) -> None:
        """Part of a line, as it streams."""
        if not self.json:
            print(clean(text), end="", flush=True)

    def document(self, document: Any) -> None:
        """A JSON object on one line."""
        if self.json:
            sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
            sys.stdout.flush()

    def error(self, error: GptossError) -> None:
        """Scripts get the error as their document, people a sentence and the next step."""
        next_step = self._fill(error.next_step)
        if self.json:
            self.document({"error": error.as_dict() | {"next_step": next_step}})
            return
        print(f"gptoss-tui: {error.message}", file=sys.stderr)
        if next_step:
            print(f"  {next_step}", file=sys.stderr)


def gib(size: int | None) -> str:
    """Bytes as GiB with one decimal, `--` when unknown."""
    return "--" if size is None else f"{size / GIB:.1f} GiB"


def figure(value: float | None, unit: str = "", digits: int = 0) -> str:
    """A figure with its unit, `--` when unknown."""
    return "--" if value is None else f"{value:,.{digits}f}{unit}"
