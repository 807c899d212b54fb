"""Lists to choose from, whose marks say by their shape what is chosen, not by their colour alone."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import RadioButton, SelectionList


class MarkedRadio(RadioButton):
    """A radio button that is empty until it is chosen."""

    BUTTON_LEFT = ""
    BUTTON_RIGHT = ""

    def watch_value(self) -> None:
        self._mark()
        super().watch_value()

    def on_mount(self) -> None:
        self._mark()

    def _mark(self) -> None:
        self.BUTTON_INNER = "●" if self.value else "○"


class MarkedList(SelectionList[str]):
    """A list of which any number can be chosen; what is not has an empty box."""

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        index = self.scroll_offset.y + y
        if index >= self.option_count or self.get_option_at_index(index).value in self.selected:
            return strip
        left, inner, *rest = strip
        return Strip([left, Segment(" ", inner.style), *rest])
