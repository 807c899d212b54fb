"""A plain page: a command or a log, to read, to select from, to copy, to save."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import TextArea

from gptoss_tui.app.messages import CopyRequested, SaveRequested
from gptoss_tui.app.widgets.keys_footer import KeysFooter


class PageScreen(Screen[None]):
    """Shows all of `text`; unwrapped it can be selected as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy all", id="page.copy"),
        Binding("s", "save", "Save to a file", id="page.save"),
        Binding("w", "wrap", "Wrap on, off", id="page.wrap"),
        Binding("q,escape", "app.back", "Back", key_display="q", id="page.back"),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        text = TextArea(self._text, id="text", read_only=True, soft_wrap=True, show_cursor=False)
        text.border_title = Content(f" {self._title} ")
        yield text
        yield KeysFooter()

    def action_copy(self) -> None:
        self.post_message(CopyRequested(self._text, self._title))

    def action_save(self) -> None:
        self.post_message(SaveRequested(self._title, self._text))

    def action_wrap(self) -> None:
        text = self.query_one(TextArea)
        text.soft_wrap = not text.soft_wrap
