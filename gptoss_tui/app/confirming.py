"""Questions before something ends: a server, a launch, a box on the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gptoss_tui.app import messages as said
from gptoss_tui.app.screens.dialogs import AskDialog, Choice
from gptoss_tui.errors import GptossError

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp


class Confirming:
    """Asks, and does it on a yes. The harmless answer has the focus."""

    def __init__(self, app: GptossApp) -> None:
        self._app = app

    def stop(self, asked: said.StopRequested) -> None:
        busy = self._app.model(asked.box).busy_words(asked.instance)
        self._ask(
            "Stop a server",
            f"Stop {asked.instance} on {asked.box} and remove its container?\n{busy}\n"
            "They get 60 s to end; what was downloaded stays.",
            ("Yes, stop it", "Keep it"),
            lambda: self._app.feeds.stop(asked.box, asked.instance),
        )

    def cancel(self, asked: said.CancelLaunchRequested) -> None:
        self._ask(
            "Cancel a launch",
            f"Cancel the launch on {asked.box}?\nWhat is pulled or downloaded by then is kept.",
            ("Yes, cancel it", "Let it go on"),
            lambda: self._app.feeds.cancel(asked.box, asked.launch_id),
        )

    def forget(self, asked: said.ForgetRequested) -> None:
        self._ask(
            "Forget a box",
            f"Disconnect {asked.box} and take it off the list of remembered boxes?\n"
            "What runs there goes on. A host of the ssh config stays listed.",
            ("Yes, forget it", "Keep it"),
            lambda: self._forget(asked.box),
        )

    def _forget(self, box: str) -> None:
        try:
            self._app.fleet.forget(box)
        except GptossError as error:
            self._app.show_error(error, f"forget {box}")
            return
        self._app.feeds.disconnect(box)
        self._app.models.pop(box, None)
        self._app.refresh_boxes()

    def _ask(
        self, title: str, text: str, answers: tuple[str, str], act: Callable[[], None]
    ) -> None:
        yes, no = answers
        choices = (Choice("yes", "y", yes), Choice("no", "k", no))

        def decided(choice: str | None) -> None:
            if choice == "yes":
                act()

        self._app.push_screen(AskDialog(title, text, choices), decided)
