"""Log lines as they are drawn: cleaned, coloured by their level's word, folded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

from gptoss_tui.app.widgets.paint import Cell
from gptoss_tui.text import clean

# Servers write the level near the start of a line, after a process or a time.
_LEVEL = re.compile(
    r"\b(?:(CRITICAL|FATAL|ERROR|Traceback|Error:|[A-Z]\w+Error:)"
    r"|(WARNING|WARN)|(DEBUG|TRACE)|(INFO))(?:\b|(?<=:))"
)
_INKS = ("bad", "warn", "dim", "text")
HEAD = 120
# vLLM's own head of a line: process, level, date, time, place in the source.
_HEAD = re.compile(
    r"^\(\w+(?: pid=\d+)?\) (?:([A-Z]+) (?:\d\d-\d\d )?(\d\d:\d\d:\d\d) \[[^\]]*\] )?"
)
_BAR = re.compile(r"^(.*?)\d{1,3}%(?: Completed)? ?\|")
_FIGURE = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Entry:
    """A line of the log, ready to draw: one ink for all, and where its level's word is.

    `whole` is the line as it came, `text` what is drawn; `bar` names the progress bar that it is a
    state of.
    """

    text: str
    ink: str = "text"
    level: tuple[int, int] = (0, 0)
    whole: str = ""
    bar: str = ""


def entry(raw: str) -> Entry:
    """A raw line as an entry; the level is read from the word at its start."""
    whole = clean(raw).expandtabs(4).replace("\n", " ")
    text = _shortened(whole)
    bar = _BAR.match(text)
    # SGLang writes figures before its bar that change with each step.
    name = _FIGURE.sub("#", bar[1].rstrip()) if bar else ""
    found = _LEVEL.search(text, 0, HEAD)
    if not found or found.lastindex is None:
        return Entry(text, whole=whole, bar=name)
    return Entry(text, _INKS[found.lastindex - 1], found.span(), whole, name)


def _shortened(line: str) -> str:
    """Time, level and message: the rest of vLLM's head takes half of a narrow pane."""
    head = _HEAD.match(line)
    if head is None:
        return line
    level = f"{head[2]} {head[1]} " if head[1] else ""
    return level + line[head.end() :]


def settled(lines: Iterable[Entry]) -> list[Entry]:
    """The same lines, but of a progress bar only its last state."""
    kept: list[Entry] = []
    for line in lines:
        if kept and replaces(line, kept[-1]):
            kept.pop()
        kept.append(line)
    return kept


def replaces(line: Entry, before: Entry) -> bool:
    """Whether `line` is a later state of the progress bar that stands right before it."""
    return bool(line.bar) and line.bar == before.bar


def fold(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` cells; an empty line stays one."""
    if width < 1 or not text:
        return [text]
    if text.isascii():
        return [text[start : start + width] for start in range(0, len(text), width)]
    return chop_cells(text, width) if cell_len(text) > width else [text]


def cells_of(line: Entry, piece: str, offset: int) -> list[Cell]:
    """A piece of an entry (from `offset` on) as cells: the level's word, and the rest."""
    start, end = line.level[0] - offset, line.level[1] - offset
    if line.ink != "text" or not 0 <= start < end <= len(piece):
        return [(piece, line.ink)]
    return [(piece[:start], "text"), (piece[start:end], "cool"), (piece[end:], "text")]
