"""Tables: rows changed only where they differ, and the key that chooses one on the screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable


class BoxTable(DataTable[Text]):
    """Textual hides the key that chooses a row; here it is the first one to know."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Connect / open", id="boxes.open")
    ]


def update_row(table: DataTable[Text], key: str, cells: Iterable[Text]) -> None:
    """Put `cells` into the row `key`. One changed cell makes a table draw all of its rows anew."""
    for column, (old, new) in zip(
        tuple(table.columns), zip(table.get_row(key), cells, strict=False), strict=False
    ):
        if old != new:
            table.update_cell(key, column, new)
