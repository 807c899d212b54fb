"""The servers of a box, a line each: a cursor to choose with, and a mark at the one watched.

Drawn as the other panes are: a table of Textual would lay the whole screen out anew with its first
row, while the first figures of a server wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.reactive import var
from textual.strip import Strip

from gptoss_tui.app.widgets.figures import left
from gptoss_tui.app.widgets.paint import Cell, Painted

Cells = tuple[str, ...]
COLUMNS = (13, 18, 22)  # cells of state, name, where; the model takes what is left
# The mark, the columns and what parts them; with less room a column is as wide as its text.
_ALL = 2 + sum(COLUMNS) + 2
SHOWN = 4  # lines, at most; more are scrolled through


class ServerList(Painted, can_focus=True):
    """Shows rows of (state, name, where, model), by the name of the server."""

    DEFAULT_CSS = """
    ServerList { overflow-x: hidden; overflow-y: auto; height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Watch", id="dash.watch"),
        Binding("down,j", "move(1)", "Next", show=False),
        Binding("up,k", "move(-1)", "Previous", show=False),
    ]
    HELP = "The servers of this box: choose one, and engine, log and chat are about it."

    @dataclass
    class Chosen(Message):
        """The user wants to watch this server."""

        name: str

    watched: var[str | None] = var(None)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: dict[str, Cells] = {}
        self._cursor: str | None = None

    def show(self, rows: Mapping[str, Cells]) -> None:
        """Show these, in this order; the cursor stays on its server while that is there."""
        if rows == self.rows and list(rows) == list(self.rows):
            return
        before, self.rows = list(self.rows), dict(rows)
        if self._cursor not in self.rows:
            at = before.index(self._cursor) if self._cursor is not None else 0
            self._cursor = self._name_at(min(at, len(rows) - 1))
        self._fit(len(rows))
        self._redraw()

    def _fit(self, count: int) -> None:
        height, now = max(1, min(SHOWN, count)), self.styles.height
        if now is None or now.value != height:  # setting it anew, even to the same, is a new layout
            self.styles.height = height
        self.set_content_size(Size(0, count))

    def _name_at(self, number: int) -> str | None:
        names = list(self.rows)
        return names[number] if 0 <= number < len(names) else None

    def watch_watched(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        self.refresh()
        self.refresh_bindings()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def action_move(self, step: int) -> None:
        """To the next (1) or the previous (-1) server."""
        if self._cursor is None:
            return
        at = list(self.rows).index(self._cursor) + step
        at = max(0, min(at, len(self.rows) - 1))
        self._cursor = self._name_at(at)
        top, height = self.scroll_offset.y, self.size.height
        if not top <= at < top + height:
            y = at if at < top else at - height + 1
            self.scroll_to(y=y, animate=False, immediate=True)
        self._redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing to choose where the cursor is on what is watched."""
        return action != "choose" or self._cursor != self.watched

    def action_choose(self) -> None:
        """Watch the server under the cursor."""
        if self._cursor is not None:
            self.post_message(self.Chosen(self._cursor))

    def on_click(self, event: Click) -> None:
        name = self._name_at(event.y + self.scroll_offset.y)
        if name is not None:
            self._cursor = name
            self.refresh()
            self.action_choose()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        name = self._name_at(y + self.scroll_offset.y)
        if name is None:
            return self.blank(width)
        return self.strip(self._line(name, width), width)

    def _columns(self, width: int) -> tuple[int, ...]:
        """Where it is narrow the port, which others need, must not be cut for empty cells."""
        if width >= _ALL:
            return COLUMNS
        widest = (max(map(cell_len, cells)) for cells in zip(*self.rows.values(), strict=True))
        return tuple(map(min, COLUMNS, widest))

    def _line(self, name: str, width: int) -> list[Cell]:
        mark = "▸ " if name == self.watched else "  "
        *columns, last = self.rows[name]
        sized = map(left, columns, self._columns(width))
        text = left(mark + " ".join([*sized, last]), width)
        if self.has_focus and name == self._cursor:
            return [(text, "cursor")]
        return [(text, "text" if name != self.watched else "strong")]
