"""The place *Boxes*: who can be chosen, who is connected, what runs there."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import DataTable, Static

from gptoss_tui.app.boxes_text import about_lines, row_of
from gptoss_tui.app.messages import (
    BoxAdded,
    ConnectRequested,
    DashboardRequested,
    ForgetRequested,
    LookRequested,
    RepairsRequested,
    WizardRequested,
)
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.screens.dialogs import AddDialog
from gptoss_tui.app.widgets.keys_footer import KeysFooter
from gptoss_tui.app.widgets.rows import BoxTable, update_row
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.spot.notice import SpotNotice

# Name, least width, share of what a wide screen has left.
COLUMNS: tuple[tuple[str, int, float], ...] = (
    ("box", 14, 0.2),
    ("state", 15, 0.0),
    ("GPUs", 13, 0.2),
    ("runs", 24, 0.5),
    ("known from", 12, 0.1),
)
_FRAME = 6  # border, padding and scroll bar
_WIDE = 100
_REDRAWN = (BoxReport, LinkState, InstanceList, SpotNotice)


def columns_for(width: int) -> tuple[tuple[str, int], ...]:
    """Name and width of each column; a narrow screen does without the last ones."""
    shown = COLUMNS if width >= _WIDE else COLUMNS[:-1]
    while len(shown) > 2 and _least(shown) > width - _FRAME:
        shown = shown[:-1]
    spare = max(0, width - _FRAME - _least(shown))
    return tuple((name, least + int(spare * share)) for name, least, share in shown)


def _least(columns: tuple[tuple[str, int, float], ...]) -> int:
    return sum(least + 2 for _, least, _ in columns)


class BoxesScreen(Screen[None]):
    """Candidates are never contacted until they are chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "wizard", "Launch", id="boxes.wizard"),
        Binding("a", "add", "Add", id="boxes.add"),
        Binding("r", "look", "Look", id="boxes.look"),
        Binding("m", "repair", "Repair", id="boxes.repair"),
        Binding("f", "forget", "Forget", id="boxes.forget"),
        Binding("q", "app.back", "Quit", id="boxes.quit"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._columns: tuple[tuple[str, int], ...] = ()
        self._behind = False
        self._entries: dict[str, Any] = {}  # the entry of the fleet behind each row
        self._about = Content("")  # what the page about the chosen box says now

    def compose(self) -> ComposeResult:
        yield BoxTable(id="boxes", cursor_type="row", zebra_stripes=False)
        with VerticalScroll(id="about"):
            yield Static(id="about-text")
        yield KeysFooter()

    def on_mount(self) -> None:
        self.query_one("#boxes").border_title = " Boxes "
        self._spread(self.app.size.width)
        self.set_interval(1.0, self._age)

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.height < 18, "-short")
        self._spread(event.size.width)

    def _spread(self, width: int) -> None:
        """Lay the columns out anew for this width, and fill them."""
        wanted = columns_for(width)
        if wanted == self._columns:
            return
        chosen, self._columns = self.chosen, wanted
        self._table.clear(columns=True)
        for name, cells in wanted:
            self._table.add_column(name, width=cells, key=name)
        self.reload(chosen)

    def on_screen_resume(self) -> None:
        if self._behind:
            self._behind = False
            self.reload()
        self._show_about()

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#boxes", DataTable)

    @property
    def _app(self) -> Any:
        return self.app

    @property
    def chosen(self) -> str | None:
        """The box under the cursor."""
        table = self._table
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def reload(self, chosen: str | None = None) -> None:
        """Read the candidates anew (a box was added or forgotten)."""
        table, chosen = self._table, chosen or self.chosen
        table.clear()
        self._entries = {entry.name: entry for entry in self._app.candidates()}
        for entry in self._entries.values():
            cells = row_of(entry, self._app.models.get(entry.name), self._app.clock())
            table.add_row(*cells[: len(self._columns)], key=entry.name)
        if chosen is not None and chosen in {key.value for key in table.rows}:
            table.move_cursor(row=table.get_row_index(chosen))
        self._show_about()

    def show_fact(self, model: BoxModel, fact: AnyFact) -> None:
        """Redraw one row, when its box changed in a way that the row tells."""
        if not isinstance(fact.body, _REDRAWN):
            return
        if self.app.screen is not self and not self.app.screen.is_modal:
            self._behind = True  # made up for when somebody looks at this place again
            return
        entry = next((e for e in self._app.candidates() if e.name == model.name), None)
        if entry is None:
            return
        if model.name not in self._entries:
            self.reload()
            return
        self._entries[model.name] = entry
        update_row(self._table, model.name, row_of(entry, model, self._app.clock()))
        if model.name == self.chosen:
            self._show_about()

    def _age(self) -> None:
        """What is shown grows old also while nothing comes."""
        if self.app.screen is not self:
            return
        for name, entry in self._entries.items():
            if (model := self._app.models.get(name)) is not None:
                update_row(self._table, name, row_of(entry, model, self._app.clock()))
        self._show_about()

    @on(DataTable.RowHighlighted)
    def _show_about(self) -> None:
        chosen = self.chosen
        model = self._app.models.get(chosen) if chosen else None
        self.query_one("#about").border_title = Content(f" {chosen or 'no box'} ")
        lines = about_lines(chosen, model, self._app.clock(), demo=self._app.demo)
        about = Content("\n").join(lines)
        if about != self._about:
            self._about = about
            self.query_one("#about-text", Static).update(about)

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        name = self.chosen
        if name is None:
            return
        model = self._app.models.get(name)
        if model is not None and model.link is not None and model.link.open:
            self.post_message(DashboardRequested(name))
        else:
            self.post_message(ConnectRequested(name))

    def action_wizard(self) -> None:
        if self.chosen is not None:
            self.post_message(WizardRequested(self.chosen))

    def action_repair(self) -> None:
        if self.chosen is not None:
            self.post_message(RepairsRequested(self.chosen))

    def action_look(self) -> None:
        if self.chosen is not None:
            self.post_message(LookRequested(self.chosen))

    def action_forget(self) -> None:
        if self.chosen is not None:
            self.post_message(ForgetRequested(self.chosen))

    def action_add(self) -> None:
        def added(line: str | None) -> None:
            if line and line.strip():
                self.post_message(BoxAdded(line))

        self.app.push_screen(AddDialog(self._app.wrong_line), added)
