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
from textual.widgets import DataTable, Footer, Static

from gptoss_tui.app.boxes_text import about_lines, row_of
from gptoss_tui.app.messages import (
    BoxAdded,
    BoxForgotten,
    ConnectRequested,
    DashboardRequested,
    LookRequested,
    WizardRequested,
)
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.screens.dialogs import AddDialog
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import InstanceList

COLUMNS = (("box", 18), ("state", 13), ("GPUs", 26), ("runs", 30), ("known from", 13))
_REDRAWN = (BoxReport, LinkState, InstanceList)


class BoxesScreen(Screen[None]):
    """Candidates are never contacted until they are chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Connect / open", id="boxes.open"),
        Binding("w", "wizard", "Launch a model", id="boxes.wizard"),
        Binding("a", "add", "Add a box", id="boxes.add"),
        Binding("r", "look", "Look again", id="boxes.look"),
        Binding("f", "forget", "Forget", id="boxes.forget"),
        Binding("q", "app.back", "Quit", id="boxes.quit"),
    ]

    def compose(self) -> ComposeResult:
        table: DataTable[Text] = DataTable(id="boxes", cursor_type="row", zebra_stripes=False)
        for name, width in COLUMNS:
            table.add_column(name, width=width, key=name)
        yield table
        with VerticalScroll(id="about", can_focus=False):
            yield Static(id="about-text")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#boxes").border_title = " Boxes "
        self.reload()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.height < 18, "-short")

    def on_screen_resume(self) -> None:
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

    def reload(self) -> None:
        """Read the candidates anew (a box was added or forgotten)."""
        table, chosen = self._table, self.chosen
        table.clear()
        for entry in self._app.fleet.candidates():
            table.add_row(*row_of(entry, self._app.models.get(entry.name)), key=entry.name)
        if chosen is not None and chosen in {key.value for key in table.rows}:
            table.move_cursor(row=table.get_row_index(chosen))
        self._show_about()

    def show_fact(self, model: BoxModel, fact: AnyFact) -> None:
        """Redraw one row, when its box changed in a way that the row tells."""
        if not isinstance(fact.body, _REDRAWN):
            return
        entry = next((e for e in self._app.fleet.candidates() if e.name == model.name), None)
        if entry is None:
            return
        if model.name not in {key.value for key in self._table.rows}:
            self.reload()
            return
        for (column, _), cell in zip(COLUMNS, row_of(entry, model), strict=True):
            self._table.update_cell(model.name, column, cell)
        if model.name == self.chosen:
            self._show_about()

    @on(DataTable.RowHighlighted)
    def _show_about(self) -> None:
        chosen = self.chosen
        model = self._app.models.get(chosen) if chosen else None
        self.query_one("#about").border_title = Content(f" {chosen or 'no box'} ")
        lines = about_lines(chosen, model, demo=self._app.demo)
        self.query_one("#about-text", Static).update(Content("\n").join(lines))

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        name = self.chosen
        if name is None:
            return
        model = self._app.models.get(name)
        if model is not None and model.link is not None and model.link.phase == "up":
            self.post_message(DashboardRequested(name))
        else:
            self.post_message(ConnectRequested(name))

    def action_wizard(self) -> None:
        if self.chosen is not None:
            self.post_message(WizardRequested(self.chosen))

    def action_look(self) -> None:
        if self.chosen is not None:
            self.post_message(LookRequested(self.chosen))

    def action_forget(self) -> None:
        if self.chosen is not None:
            self.post_message(BoxForgotten(self.chosen))

    def action_add(self) -> None:
        def added(line: str | None) -> None:
            if line and line.strip():
                self.post_message(BoxAdded(line))

        self.app.push_screen(AddDialog(), added)
