"""The footer: the keys that work where the focus is, and at the right the one that shows them all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Static


class KeysFooter(Footer):
    """A narrow screen leaves out keys of the place, but never the way back, or to all of them."""

    DEFAULT_CSS = """
    KeysFooter > .all-keys {
        dock: right; width: auto; height: 1; padding: 0 1;
        background: $footer-background; color: $footer-description-foreground;
    }
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._made_for = 0  # cells
        self._keys: tuple[object, ...] = ()

    def _shown(self) -> tuple[object, ...]:
        """What decides on the keys: those of the place, and the one to their page."""
        active = self.screen.active_bindings.values()
        return (self._way, *((one.binding, one.enabled) for one in active if one.binding.show))

    @property
    def _way(self) -> str:
        """The key to the page of keys: in a field ? is a letter."""
        focused = self.screen.focused
        types = focused is not None and focused.check_consume_key("question_mark", "?")
        return "f1" if types else "?"

    def bindings_changed(self, screen: Screen[Any]) -> None:
        """Made anew only where it differs: places ask for it whenever their state may have changed."""
        if not self._bindings_ready or self._shown() != self._keys:
            super().bindings_changed(screen)

    def compose(self) -> ComposeResult:
        way, self._keys = self._way, self._shown()
        self._made_for = self.app.size.width
        keys = _unlike(super().compose())
        room = self._made_for - len(f" {way} Keys ") - sum(map(_cells, filter(_is_back, keys)))
        for key in keys:
            if _is_back(key):
                yield key
            elif (cells := _cells(key)) <= room:  # half a word only puzzles
                room -= cells
                yield key
        yield Static(
            Content.assemble((way, "$footer-key-foreground bold"), " Keys"), classes="all-keys"
        )

    def on_resize(self, event: Resize) -> None:
        if event.size.width != self._made_for:
            self.refresh(recompose=True)

    async def on_click(self, event: Any) -> None:
        if isinstance(event.widget, Static) and event.widget.has_class("all-keys"):
            await self.run_action("app.toggle_help")


def _cells(key: Widget) -> int:
    """How wide a key of the footer is: a space around the key, and one behind the word."""
    return cell_len(getattr(key, "key_display", "")) + cell_len(getattr(key, "description", "")) + 3


def _is_back(key: Widget) -> bool:
    return str(getattr(key, "action", "")).rpartition(".")[2] in ("back", "leave")


def _unlike(keys: Iterable[Widget]) -> list[Widget]:
    """One key for each word: a place has a key to leave it beside the one that all places have."""
    return list({getattr(key, "description", ""): key for key in reversed([*keys])}.values())[::-1]
