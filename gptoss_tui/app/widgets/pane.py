"""The frame around every pane: its digit and name, a word of detail, and how old its data is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Self

from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region
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
        self._only_edges = False

    @property
    def word(self) -> str:
        """The pane's name, as in its title."""
        return self._name_word

    def on_mount(self) -> None:
        self._retitle()

    def watch_detail(self) -> None:
        self._retitle()

    def watch_hint(self) -> None:
        with self._drawing_edges():
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
        with self._drawing_edges():
            self.border_title = Content.assemble(*parts, " ")

    @contextmanager
    def _drawing_edges(self) -> Iterator[None]:
        """A new title is a line of the frame; Textual would draw all that is inside anew."""
        self._only_edges = True
        try:
            yield
        finally:
            self._only_edges = False

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        if self._only_edges and not regions:
            # Regions count from the content, which lies inside of the frame.
            width, height = self.outer_size
            regions = (Region(-1, -1, width, 1), Region(-1, height - 2, width, 1))
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
