"""Leaving the app: quitting never stops a server, and asks while a launch is under way."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from textual.screen import Screen

from gptoss_tui.app.screens.dialogs import AskDialog, Choice
from gptoss_tui.domain.progress import LaunchProgress

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp


_REAL = "It goes on by itself on the box, whoever is connected."
_DEMO = "On a real box it would go on by itself; the simulated ones end with the demo."


class Leaving:
    """Knows the launches of this session, and whether the user is on the way out."""

    def __init__(self, app: GptossApp) -> None:
        self._app = app
        self._launches: dict[str, str] = {}
        self._dialog: Screen[str] | None = None
        self._awaited: set[str] = set()
        self.going_on: tuple[str, ...] = ()  # boxes whose launches the user leaves to them

    def launched(self, launch_id: str, box: str) -> None:
        self._launches[launch_id] = box

    def ask(self) -> None:
        """Go at once, or ask first: go on, cancel and go, or stay."""
        if self._dialog in self._app.screen_stack:
            return  # it is being asked already
        running = self._running()
        if not running:
            self._app.exit()
            return
        names = ", ".join(progress.name for _, progress in running)
        self._dialog = AskDialog(
            "A launch is under way",
            f"{names} is being launched. {_DEMO if self._app.demo else _REAL}",
            (
                Choice("continue", "c", "Quit, let it go on"),
                Choice("cancel", "x", "Cancel it and quit"),
                Choice("stay", "s", "Stay here"),
            ),
        )
        self._app.push_screen(self._dialog, lambda choice: self._decided(choice, running))

    def _decided(self, choice: str | None, running: list[tuple[str, LaunchProgress]]) -> None:
        if choice == "continue":
            if not self._app.demo:
                self.going_on = tuple(dict.fromkeys(box for box, _ in running))
            self._app.exit()
        elif choice == "cancel":
            self._awaited = {progress.launch_id for _, progress in running}
            for box, progress in running:
                self._app.feeds.cancel(box, progress.launch_id)

    def seen(self, progress: LaunchProgress) -> None:
        """Go, once everything that was to be cancelled has ended, in whatever way."""
        if progress.launch_id in self._awaited and progress.state != "running":
            self._awaited.discard(progress.launch_id)
            if not self._awaited:
                self._app.exit()

    def _running(self) -> list[tuple[str, LaunchProgress]]:
        found: list[tuple[str, LaunchProgress]] = []
        for launch_id, box in self._launches.items():
            with suppress(KeyError):
                progress = self._app.model(box).launches[launch_id].body
                if progress.state == "running":
                    found.append((box, progress))
        return found
