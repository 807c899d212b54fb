"""The GPUs of a box: one card each, all drawn by one widget from one reactive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import var
from textual.strip import Strip

from gptoss_tui.app.widgets.gpu_card import HEIGHTS, CardSize, GpuCard, card_lines
from gptoss_tui.app.widgets.paint import Cell, Painted


@dataclass(frozen=True)
class GpuView:
    """The cards, or the sentence that says why there are none."""

    cards: tuple[GpuCard, ...] = ()
    note: str = "Waiting for the first figures…"


def card_size(count: int, width: int, rows: int) -> CardSize:
    """The largest size that shows all cards; two lines and scrolling where none does."""
    if not count:
        return "pair"
    if rows >= count * HEIGHTS["tall"] - 1 and width >= 50:
        return "tall"
    if rows < count * HEIGHTS["pair"] and width >= 62 and rows >= count:
        return "line"
    return "pair"


def gpu_lines(view: GpuView, width: int, rows: int) -> list[list[Cell]]:
    """All lines of the pane."""
    if not view.cards:
        return [[(view.note, "dim")]]
    size = card_size(len(view.cards), width, rows)
    spaced = size == "pair" and rows >= len(view.cards) * 3 - 1
    lines: list[list[Cell]] = []
    for card in view.cards:
        lines += card_lines(card, width, size)
        if spaced:
            lines.append([])
    if spaced or size == "tall":
        lines.pop()
    return lines


class GpuPane(Painted, can_focus=True):
    """Draws a `GpuView`."""

    DEFAULT_CSS = """
    GpuPane { overflow-x: hidden; overflow-y: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Scroll", show=False),
        Binding("up,k", "scroll_up", "Scroll", show=False),
    ]
    HELP = "Every column of `nvidia-smi dmon -s pum`, per GPU, with a short history of sm %."

    view: var[GpuView] = var(GpuView())
    _lines: list[list[Cell]] | None = None
    _drawn_width = 0

    def watch_view(self) -> None:
        before = self._lines
        self._measure()
        self.refresh_changed(before, self._lines or ())

    def on_resize(self) -> None:
        self._measure()
        self.refresh()  # all lines: those of the old size may have been drawn before this came

    def _measure(self) -> None:
        """Lay the lines out anew."""
        width, rows = self.scrollable_content_region.size
        self._lines = gpu_lines(self.view, width, rows)
        self._drawn_width = width
        self.set_content_size(Size(width, max(rows, len(self._lines))))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if self._lines is None or width != self._drawn_width:
            self._measure()
        number = y + self.scroll_offset.y
        if self._lines is None or number >= len(self._lines):
            return self.blank(width)
        return self.strip(self._lines[number], width)
