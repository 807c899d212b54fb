"""A line to type into that keeps the order of keys, however fast they come."""

from __future__ import annotations

from typing import ClassVar

from textual.events import Key
from textual.widgets import Input


class Field(Input):
    """An `Input` whose editing keys, and enter, do not go round by the screen's bindings.

    There a letter that is typed right behind one would overtake it: "ctrl+u 4" would end empty.
    """

    EDITS: ClassVar[dict[str, str]] = {
        "backspace": "delete_left",
        "delete": "delete_right",
        "ctrl+u": "delete_left_all",
        "ctrl+k": "delete_right_all",
        "ctrl+w": "delete_left_word",
        "left": "cursor_left",
        "right": "cursor_right",
        "home": "home",
        "ctrl+a": "home",
        "end": "end",
    }

    async def on_key(self, event: Key) -> None:
        action = self.EDITS.get(event.key)
        if action is None and event.key != "enter":
            return
        event.stop()
        event.prevent_default()
        if action is not None:
            getattr(self, f"action_{action}")()
        else:
            await self.action_submit()
