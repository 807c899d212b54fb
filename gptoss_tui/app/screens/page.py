"""A plain page: a command or a log, unwrapped, to select from, to copy, to save."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import TextArea

from gptoss_tui.app.messages import CopyRequested, SaveRequested
from gptoss_tui.app.widgets.keys_footer import KeysFooter


class PageScreen(Screen[None]):
    """Shows `text` as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy all", id="page.copy"),
        Binding("s", "save", "Save to a file", id="page.save"),
        Binding("q,escape", "app.back", "Back", key_display="q", id="page.back"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        yield TextArea(self._text, id="text", read_only=True, soft_wrap=False, show_cursor=False)
        yield KeysFooter()

    def action_copy(self) -> None:
        self.post_message(CopyRequested(self._text, self._title))

    def action_save(self) -> None:
        self.post_message(SaveRequested(self._title, self._text))
