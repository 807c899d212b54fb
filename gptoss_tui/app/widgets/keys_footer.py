"""The footer: the keys of the place, and always, at the right, the one that shows them all."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Footer, Static


class KeysFooter(Footer):
    """A narrow screen cuts the keys of the place, but never the way to their page."""

    DEFAULT_CSS = """
    KeysFooter > .all-keys {
        dock: right; width: auto; height: 1; padding: 0 1;
        background: $footer-background; color: $footer-description-foreground;
    }
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield Static(
            Content.assemble(("?", "$footer-key-foreground bold"), " Keys"), classes="all-keys"
        )

    async def on_click(self, event: Any) -> None:
        if isinstance(event.widget, Static) and event.widget.has_class("all-keys"):
            await self.run_action("app.toggle_help")
