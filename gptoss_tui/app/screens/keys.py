"""The keys that work right now, with the place's own first."""

from __future__ import annotations

from itertools import zip_longest
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

_BESIDE = 70  # cells, for two columns
# Keys that every list and text has, in words of their own: Textual's table of them is long.
_COMMON = (
    ("tab / shift+tab", "next, previous part"),
    ("arrows, pgup, pgdn", "move, scroll"),
    ("ctrl+p", "command palette: all actions, themes"),
    ("f1, or ?", "these keys (f1 also while you type)"),
    ("ctrl+q", "quit (servers go on)"),
)


def keys_of(screen: Screen[object]) -> tuple[tuple[str, str], ...]:
    """`(key, what it does)` of the focused parts and of the place, in the order they stand in."""
    found: dict[str, tuple[str, str]] = {}
    for key, active in screen.active_bindings.items():
        binding = active.binding
        # Only ours have an id (it is what a keymap names); the widgets' own scroll and move.
        if not binding.id or binding.id.startswith("app.") or not active.enabled:
            continue
        shown = screen.app.get_key_display(binding)
        found.setdefault(
            f"{binding.action} {binding.description}", (shown or key, binding.description)
        )
    return tuple(found.values())


class KeysScreen(ModalScreen[None]):
    """A page over the place; any of the closing keys leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q,enter,ctrl+g", "close", "Close", show=False),
    ]

    def __init__(self, keys: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        with Vertical(id="box"), VerticalScroll(id="keys"):
            yield Static(id="page")

    def on_resize(self, event: Resize) -> None:
        page = keys_page(self._keys, beside=event.size.width >= _BESIDE)
        self.query_one("#page", Static).update(page)

    def on_mount(self) -> None:
        box = self.query_one("#box")
        box.border_title = " Keys of this place "
        box.border_subtitle = " q closes "

    def action_close(self) -> None:
        self.dismiss()


def keys_page(keys: tuple[tuple[str, str], ...], *, beside: bool) -> Content:
    """Key, what it does; the place's own in two columns, so that they need no scrolling."""
    half = (len(keys) + 1) // 2 if beside else len(keys)
    pairs = zip_longest(keys[:half], keys[half:], fillvalue=("", ""))
    lines = [Content.assemble(*_pair(one, 9, 24), *_pair(two, 9)) for one, two in pairs]
    common = [Content.assemble(*_pair(one, 18)) for one in _COMMON]
    return Content("\n").join([*lines, Content(""), *common])


def _pair(row: tuple[str, str], before: int, behind: int = 0) -> tuple[tuple[str, str], str]:
    """A key, flush right in `before` cells, and what it does in at least `behind`."""
    key, does = row
    return (f"{key:>{before}}  ", "$primary bold"), f"{does:{behind}}"
