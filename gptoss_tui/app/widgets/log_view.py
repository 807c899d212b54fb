"""A log as lines that are drawn only where they are seen; it follows until the reader scrolls up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import var
from textual.strip import Strip

from gptoss_tui.app.widgets.log_text import Entry, cells_of, entry, fold, replaces, settled
from gptoss_tui.app.widgets.paint import Painted

CAPACITY = 5000
# The oldest lines go in blocks, so that a full log does not lay itself out anew for each line.
SLACK = 500


@dataclass(frozen=True)
class Row:
    """A row of the screen: a piece of the entry `number`, from its character `offset` on."""

    number: int
    offset: int
    text: str


class LogView(Painted, can_focus=True):
    """Shows lines; `add` appends, `replace` starts anew."""

    DEFAULT_CSS = """
    LogView { overflow-x: auto; overflow-y: auto; height: 1fr; scrollbar-size-horizontal: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("G,end", "follow", "Follow", key_display="G", id="log.follow"),
        Binding("f", "fold", "Fold lines", id="log.fold"),
        Binding("g,home", "oldest", "Oldest line", key_display="g", show=False, id="log.oldest"),
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
    ]

    following: var[bool] = var(True)
    folding: var[bool] = var(False)

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._entries: list[Entry] = []
        self._rows: list[Row] = []
        self._widest = 0
        self._fold_width = 0
        self._fresh: list[Entry] = []
        self._placeholder = ""

    @property
    def text(self) -> str:
        """The whole log as plain text, as it came."""
        return "\n".join(line.whole for line in [*self._entries, *self._fresh])

    @property
    def count(self) -> int:
        """How many lines are kept."""
        return len(self._entries) + len(self._fresh)

    def replace(self, lines: Iterable[str], placeholder: str = "") -> None:
        """Start anew with these lines; `placeholder` is what an empty log says."""
        self._placeholder = placeholder
        self._entries, self._fresh = [], [entry(line) for line in lines]
        self.following = True
        self._rows, self._widest = [], 0
        self.flush()

    def say(self, placeholder: str) -> None:
        """What an empty log says from now on."""
        self._placeholder = placeholder
        if not self._rows:
            self.refresh()

    def add(self, lines: Iterable[str]) -> None:
        """Append; many calls in a moment are drawn once."""
        idle = not self._fresh
        self._fresh += [entry(line) for line in lines]
        if idle and self._fresh:
            self.set_timer(0.1, self.flush)

    def flush(self) -> None:
        """Take in what was added since the last time."""
        fresh, self._fresh = settled(self._fresh[-CAPACITY:]), []
        if fresh and self._entries and replaces(fresh[0], self._entries[-1]):
            self._drop_last()
        start = len(self._entries)
        self._entries += fresh
        self._extend(start)
        self._trim()
        self._resize()
        if self.following:
            self.scroll_end(animate=False, force=True, immediate=True, x_axis=False)
        self.refresh()

    def _drop_last(self) -> None:
        self._entries.pop()
        while self._rows and self._rows[-1].number == len(self._entries):
            self._rows.pop()

    def _extend(self, start: int) -> None:
        """Rows for the entries from `start` on."""
        width = self._fold_width
        for number in range(start, len(self._entries)):
            text = self._entries[number].text
            offset = 0
            for piece in fold(text, width) if self.folding else (text,):
                self._rows.append(Row(number, offset, piece))
                self._widest = max(self._widest, len(piece) if piece.isascii() else cell_len(piece))
                offset += len(piece)

    def _trim(self) -> None:
        if len(self._entries) <= CAPACITY + SLACK:
            return
        rows = len(self._rows)
        del self._entries[: len(self._entries) - CAPACITY]
        self._rebuild()
        if not self.following:  # what is being read stays where it is
            gone = rows - len(self._rows)
            self.scroll_to(y=max(0, self.scroll_y - gone), animate=False, immediate=True)

    def _rebuild(self) -> None:
        self._rows, self._widest = [], 0
        self._fold_width = self.scrollable_content_region.width
        self._extend(0)

    def _resize(self) -> None:
        width = 0 if self.folding else self._widest
        self.set_content_size(Size(width, len(self._rows)))

    def on_resize(self) -> None:
        width = self.scrollable_content_region.width
        if self.folding and width != self._fold_width:
            self._rebuild()
            self._resize()
        if self.following:
            self.scroll_end(animate=False, force=True, immediate=True, x_axis=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        at_end = round(new_value) >= self.max_scroll_y
        # Only going up ends the following: a log that grows moves its own end away.
        if at_end:
            self.following = True
        elif new_value < old_value:
            self.following = False

    def action_follow(self) -> None:
        """Go to the newest line and stay there."""
        self.following = True
        self.scroll_end(animate=False, force=True, immediate=True, x_axis=False)

    def action_oldest(self) -> None:
        """Go to the oldest line."""
        self.scroll_home(animate=False, immediate=True)

    def action_fold(self) -> None:
        """Fold long lines, or scroll sideways again."""
        self.folding = not self.folding
        self._rebuild()
        self._resize()
        self.scroll_to(x=0, animate=False, immediate=True)
        if self.following:
            self.action_follow()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        at = y + self.scroll_offset.y
        if not self._rows and y == 0:
            return self.strip([(self._placeholder, "dim")], width)
        if at >= len(self._rows):
            return self.blank(width)
        row = self._rows[at]
        cells = cells_of(self._entries[row.number], row.text, row.offset)
        left = self.scroll_offset.x
        if not left and len(row.text) <= width and row.text.isascii():
            return self.strip(cells, width)
        return self.strip(cells, max(left + width, self._widest)).crop(left, left + width)
