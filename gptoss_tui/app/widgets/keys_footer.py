"""The footer: the keys that work where the focus is; at the right the one that shows them all.

Before that one stands the app's sub-title, which is about every place ("read-only").
"""

from __future__ import annotations

from typing import Any, NamedTuple

from textual.binding import Binding
from textual.events import Click
from textual.screen import Screen
from textual.strip import Strip

from gptoss_tui.app.widgets.paint import Cell, Painted, padded, width_of


class Key(NamedTuple):
    """A key as it is shown, and what pressing it means."""

    shown: str
    word: str
    key: str
    back: bool

    @property
    def cells(self) -> list[Cell]:
        return [(f" {self.shown}", "title"), (f" {self.word} ", "text")]


class KeysFooter(Painted):
    """A narrow screen leaves out keys of the place, but never the way back, or to all of them.

    It is one line that is drawn, not a widget for each key: keys come and go with the focus and with
    the servers of a box, and to build them anew takes as long as three frames.
    """

    can_focus = False
    DEFAULT_CSS = """
    KeysFooter {
        dock: bottom; height: 1; overflow: hidden hidden; background: $footer-background;
        & > .ink--text { color: $footer-description-foreground; }
        & > .ink--title { color: $footer-key-foreground; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[Key] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def on_resize(self) -> None:
        self._changed(self.screen)

    def _changed(self, screen: Screen[Any]) -> None:
        """Places ask for it whenever their state may have changed."""
        keys = self._fitting() if screen is self.screen else self._keys
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def _fitting(self) -> list[Key]:
        """The keys for which there is room, and at the end the one to the page of all."""
        focused = self.screen.focused
        types = focused is not None and focused.check_consume_key("question_mark", "?")
        way = "f1" if types else "?"  # in a field ? is a letter
        every = Key(way, "Keys", "f1", back=True)
        found: dict[str, Key] = {}
        for active in self.screen.active_bindings.values():
            if active.binding.show:  # a place may have a key of its own for what all places have
                found.setdefault(active.binding.description, self._key(active.binding))
        keys = [*found.values(), every]
        room = self.size.width - width_of(self._mark)
        room -= sum(width_of(key.cells) for key in keys if key.back)
        fitting: list[Key] = []
        for key in keys:
            cells = 0 if key.back else width_of(key.cells)
            if cells <= room:  # half a word only puzzles
                room -= cells
                fitting.append(key)
        return fitting

    @property
    def _mark(self) -> list[Cell]:
        return [(f" {self.app.sub_title} ", "warn")] if self.app.sub_title else []

    def _key(self, binding: Binding) -> Key:
        back = binding.action.rpartition(".")[2] in ("back", "leave")
        return Key(self.app.get_key_display(binding), binding.description, binding.key, back)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y or not self._keys:
            return self.blank(width)
        *keys, every = self._keys
        line = [cell for key in keys for cell in key.cells]
        end = [*self._mark, *every.cells]
        return self.strip([*padded(line, width - width_of(end)), *end], width)

    def on_click(self, event: Click) -> None:
        """A key is pressed by a click on it."""
        *keys, every = self._keys
        if event.x >= self.size.width - width_of(every.cells):
            self.app.simulate_key(every.key)
            return
        end = 0
        for key in keys:
            end += width_of(key.cells)
            if event.x < end:
                self.app.simulate_key(key.key)
                return
