"""The command palette's own entries: what can be done with the boxes there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.message import Message

from gptoss_tui.app import messages as said


class AppCommands(Provider):
    """Connect, dashboard, wizard and look for every box that is known."""

    def _commands(self) -> list[tuple[str, str, Callable[[], Any]]]:
        app: Any = self.app
        found: list[tuple[str, str, Callable[[], Any]]] = []
        for entry in app.fleet.candidates():
            name = entry.name
            model = app.models.get(name)
            if model is None or model.link is None or model.link.phase != "up":
                found.append(
                    (f"connect: {name}", entry.target, self._post(said.ConnectRequested(name)))
                )
                continue
            found += [
                (f"dashboard: {name}", "watch it live", self._post(said.DashboardRequested(name))),
                (f"launch on: {name}", "open the wizard", self._post(said.WizardRequested(name))),
                (f"look again: {name}", "preflight", self._post(said.LookRequested(name))),
            ]
        return found

    def _post(self, message: Message) -> Callable[[], Any]:
        return partial(self.app.post_message, message)

    async def discover(self) -> Hits:
        for title, help_text, run in self._commands():
            yield DiscoveryHit(title, run, help=help_text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, help_text, run in self._commands():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), run, help=help_text)
