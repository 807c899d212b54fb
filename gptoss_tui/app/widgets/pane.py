"""The frame around every pane: its digit and name, a word of detail, and how old its data is."""

from __future__ import annotations

from typing import ClassVar

from textual.containers import Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gptoss_tui.app.widgets.stale import stale_words


class Pane(Vertical):
    """A bordered pane. `age_s` None means that the data is as fresh as it should be."""

    DEFAULT_CSS = """
    Pane {
        border: round $border-blurred;
        border-title-color: $foreground;
        border-subtitle-color: $foreground;
        background: $surface;
        &:focus-within { border: round $border; }
        &.-stale { border-title-color: $warning; }
    }
    """
    DIGITS: ClassVar[str] = "12345"

    detail: reactive[str] = reactive("")
    hint: reactive[str] = reactive("")
    age_s: reactive[float | None] = reactive(None)

    def __init__(self, digit: int, name: str, *children: Widget, id: str) -> None:
        super().__init__(*children, id=id)
        self._digit = digit
        self._name_word = name

    @property
    def word(self) -> str:
        """The pane's name, as in its title."""
        return self._name_word

    def on_mount(self) -> None:
        self._retitle()

    def watch_detail(self) -> None:
        self._retitle()

    def watch_hint(self) -> None:
        self.border_subtitle = Content(f" {self.hint} ") if self.hint else ""

    def watch_age_s(self) -> None:
        self.set_class(self.age_s is not None, "-stale")
        self._retitle()

    def _retitle(self) -> None:
        """The title, without markup: its detail may hold a foreign name."""
        parts = [(f" {self._digit} ", "$primary bold"), (self._name_word, "bold")]
        if self.detail:
            parts.append((f" · {self.detail}", ""))
        if self.age_s is not None:
            parts.append((f" · {stale_words(self.age_s)}", "$warning bold"))
        self.border_title = Content.assemble(*parts, " ")
