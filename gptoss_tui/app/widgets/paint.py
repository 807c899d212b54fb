"""What all widgets that draw their own lines share: named inks and lines of cells.

Panes describe a line as cells, pairs of text and the name of an ink. So what is shown can be tested
without a terminal, and no foreign text is ever read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

Cell = tuple[str, str]
Line = Sequence[Cell]

INKS = (
    "text", "strong", "dim", "faint", "title", "good", "warn", "bad", "accent", "cool", "cursor",
)  # fmt: skip


def width_of(line: Iterable[Cell]) -> int:
    """How many terminal cells a line takes."""
    return sum(len(text) if text.isascii() else cell_len(text) for text, _ in line)


def padded(line: Line, width: int) -> list[Cell]:
    """The line, with space behind it up to `width` cells."""
    return [*line, (" " * max(0, width - width_of(line)), "text")]


def plain(line: Iterable[Cell]) -> str:
    """The text of a line alone."""
    return "".join(text for text, _ in line)


def spread(start: Line, end: Line, width: int) -> list[Cell]:
    """`start` at the left and `end` at the right of `width` cells; the end gives way first."""
    room = width - width_of(start) - width_of(end)
    if room < 1:
        return list(start)
    return [*start, (" " * room, "text"), *end]


class Painted(ScrollView):
    """Base of the widgets that draw lines of cells. It never takes more than it draws."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"ink--{name}" for name in INKS}
    DEFAULT_CSS = """
    Painted {
        background: $surface;
        scrollbar-size: 1 1;
        & > .ink--text { color: $foreground; }
        & > .ink--strong { color: $foreground; text-style: bold; }
        & > .ink--dim { color: $foreground 68%; }
        & > .ink--faint { color: $foreground 30%; }
        & > .ink--title { color: $primary; text-style: bold; }
        & > .ink--good { color: $success; }
        & > .ink--warn { color: $warning; text-style: bold; }
        & > .ink--bad { color: $error; text-style: bold; }
        & > .ink--accent { color: $accent; }
        & > .ink--cool { color: $primary; }
        & > .ink--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background;
        }
    }
    """

    _inks: dict[str, Style] | None = None

    def ink(self, name: str) -> Style:
        """The style of an ink in the present theme."""
        inks = self._inks = self._inks or {}
        if name not in inks:
            inks[name] = self.get_component_rich_style(f"ink--{name}")
        return inks[name]

    def notify_style_update(self) -> None:
        self._inks = None
        super().notify_style_update()

    def refresh_changed(self, old: Sequence[Line] | None, new: Sequence[Line]) -> None:
        """Draw anew only the lines that differ: most rows of a chart stay as they are."""
        if old is None or len(old) != len(new):
            self.refresh()
            return
        top, width = self.scroll_offset.y, self.size.width
        changed = [
            Region(0, number - top, width, 1)
            for number, (before, after) in enumerate(zip(old, new, strict=True))
            if before != after
        ]
        if changed:
            self.refresh(*changed)

    def set_content_size(self, size: Size) -> None:
        """How many cells there are to scroll through.

        Set as an attribute, a new size lays the whole screen out anew, at each line of a log; that
        is needed only where a scroll bar comes or goes, which `_scroll_update` sees by itself.
        """
        if size != self.virtual_size:
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)

    def strip(self, line: Line, width: int) -> Strip:
        """A line of cells as a strip of exactly `width` cells."""
        segments = [Segment(text, self.ink(name)) for text, name in line if text]
        return Strip(segments).adjust_cell_length(width, self.ink("text"))

    def blank(self, width: int) -> Strip:
        """An empty line."""
        return Strip.blank(width, self.ink("text"))
