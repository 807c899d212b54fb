"""Leaving the app: quitting stops no server; it asks while one is launched, stopped or drained."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from textual.screen import Screen

from gptoss_tui.app.screens.dialogs import AskDialog, Choice
from gptoss_tui.domain.draining import left_alone
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
        if ending := self._ending():
            self._ask_while(ending, running)
        else:
            self._go(running)

    def _go(self, running: list[tuple[str, LaunchProgress]]) -> None:
        if running:
            self._ask_of(running)
        else:
            self._app.exit()

    def _ask_while(self, ending: list[str], running: list[tuple[str, LaunchProgress]]) -> None:
        """A stop is done from here: what it has not come to when the app ends does not happen."""
        self._dialog = AskDialog(
            "A server is being stopped",
            "\n\n".join(ending),
            (Choice("quit", "c", "Quit all the same"), Choice("stay", "s", "Stay here")),
        )

        def decided(choice: str | None) -> None:
            if choice == "quit":
                self._go(running)

        self._app.push_screen(self._dialog, decided)

    def _ending(self) -> list[str]:
        """What is being stopped or drained, and what becomes of it without us."""
        found = []
        for (box, instance), stop in sorted(self._app.feeds.stopping.items()):
            drain = self._app.model(box).drain(instance)
            doing = f"{instance} on {box} is being {'restarted' if stop.restart else 'stopped'}."
            far = f" {drain.text}" if drain else ""
            left = left_alone(instance, drain, restart=stop.restart)
            found.append(f"{doing}{far} If you quit now: {left}")
        for box in sorted(self._app.preemption.draining):
            found.append(
                f"{box} is taken back by its provider, and its servers are being drained. If you "
                "quit now, what still runs on them may be cut."
            )
        return found

    def _ask_of(self, running: list[tuple[str, LaunchProgress]]) -> None:
        under_way = ", ".join(
            f"{progress.name} is being {'upgraded' if progress.replaces else 'launched'}"
            for _, progress in running
        )
        self._dialog = AskDialog(
            "A launch is under way",
            f"{under_way}. {_DEMO if self._app.demo else _REAL}",
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
