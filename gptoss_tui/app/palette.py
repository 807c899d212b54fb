"""The command palette's own entries: what can be done with the boxes there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.markup import escape
from textual.message import Message

from gptoss_tui.app import messages as said


class AppCommands(Provider):
    """Connect, dashboard, wizard and look for every box that is known.

    A plain string would be read as markup here; a `Text` and what `escape` returns are not.
    """

    def _commands(self) -> list[tuple[str, str, Callable[[], Any]]]:
        app: Any = self.app
        found: list[tuple[str, str, Callable[[], Any]]] = []
        for entry in app.candidates():
            name = entry.name
            model = app.models.get(name)
            if model is None or model.link is None or not model.link.open:
                found.append(
                    (f"connect: {name}", entry.target, self._post(said.ConnectRequested(name)))
                )
                continue
            found += [
                (f"dashboard: {name}", "watch it live", self._post(said.DashboardRequested(name))),
                (f"launch on: {name}", "open the wizard", self._post(said.WizardRequested(name))),
                (f"look again: {name}", "preflight", self._post(said.LookRequested(name))),
            ]
        return [*found, *self._of_this_place()]

    def _of_this_place(self) -> list[tuple[str, str, Callable[[], Any]]]:
        """What the keys of the place do, by their names."""
        found: dict[str, tuple[str, str, Callable[[], Any]]] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if not binding.id or not active.enabled or not binding.description:
                continue
            run = partial(self.app.run_action, binding.action, active.node)
            key = self.app.get_key_display(binding)
            found.setdefault(binding.description, (binding.description, f"key: {key}", run))
        return list(found.values())

    def _post(self, message: Message) -> Callable[[], Any]:
        return partial(self.app.post_message, message)

    async def discover(self) -> Hits:
        for title, help_text, run in self._commands():
            yield DiscoveryHit(Text(title), run, text=title, help=escape(help_text))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, help_text, run in self._commands():
            score, offsets = matcher.fuzzy_search.match(query, title)
            if score > 0:
                shown = Text(title)
                for at in offsets:
                    shown.stylize("bold underline", at, at + 1)
                yield Hit(score, shown, run, text=title, help=escape(help_text))
