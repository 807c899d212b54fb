"""Questions before something ends: a server, a launch, a box on the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gptoss_tui.app import messages as said
from gptoss_tui.app.screens.dialogs import AskDialog, Choice
from gptoss_tui.domain.draining import DRAIN_S, stop_plan
from gptoss_tui.errors import GptossError

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp


class Confirming:
    """Asks, and does it on a yes. The harmless answer has the focus."""

    def __init__(self, app: GptossApp) -> None:
        self._app = app

    def stop(self, asked: said.StopRequested) -> None:
        """Drain and stop, drain and start again, cut, or keep; a launch is cancelled instead."""
        if self._app.refuse_read_only("stopped"):
            return
        model, feeds = self._app.model(asked.box), self._app.feeds
        if (asked.box, asked.instance) in feeds.stopping:
            self._hasten(asked)
            return
        instance = model.instance(asked.instance)
        if instance is not None and instance.state == "launching" and instance.launch_id:
            self.cancel(said.CancelLaunchRequested(asked.box, instance.launch_id))
            return
        warning = stop_plan(instance).warning if instance else ""
        if instance is not None and instance.has_ended:
            meaning = "It has ended: no request runs on it. What was downloaded stays."
        else:
            meaning = (
                f"{model.busy_words(asked.instance, self._app.clock())}\n"
                f"They get {DRAIN_S} s to end; what was downloaded stays."
            )
        text = (
            f"Stop {asked.instance} on {asked.box} and remove its container?\n{meaning}\n{warning}"
        )
        choices = (
            Choice("stop", "y", "Yes, stop it"),
            Choice("restart", "r", "Restart"),
            Choice("cut", "c", "Cut now"),
            Choice("keep", "n", "Keep it"),
        )

        def decided(choice: str | None) -> None:
            if choice == "stop":
                feeds.stop(asked.box, asked.instance)
            elif choice == "cut":
                feeds.stop(asked.box, asked.instance, drain_s=0)
            elif choice == "restart":
                feeds.restart(asked.box, asked.instance)

        self._app.push_screen(AskDialog("Stop a server", text.rstrip(), choices), decided)

    def _hasten(self, asked: said.StopRequested) -> None:
        """It is being stopped already: another drain would only give it more time."""
        drain = self._app.model(asked.box).drain(asked.instance)
        self._ask(
            "It is being stopped",
            f"{asked.instance} on {asked.box} is being stopped already."
            f"{f' {drain.text}' if drain else ''}\nCut what still runs on it, and stop it now?",
            ("Yes, cut it now", "Let it end"),
            lambda: self._app.feeds.stop(asked.box, asked.instance, drain_s=0),
        )

    def cancel(self, asked: said.CancelLaunchRequested) -> None:
        if self._app.refuse_read_only("cancelled"):
            return
        known = self._app.model(asked.box).launches.get(asked.launch_id)
        old = known.body.replaces if known else None
        back = f"\n{old} stays, or is started again where it was stopped." if old else ""
        self._ask(
            "Cancel an upgrade" if old else "Cancel a launch",
            f"Cancel the {f'upgrade of {old}' if old else 'launch'} on {asked.box}?\n"
            "Weights that have come by then are kept; an image that has not come whole may begin anew."
            f"{back}",
            ("Yes, cancel it", "Let it go on"),
            lambda: self._app.feeds.cancel(asked.box, asked.launch_id),
        )

    def forget(self, asked: said.ForgetRequested) -> None:
        """Only what is remembered can be forgotten: nothing else is asked about."""
        box, model = asked.box, self._app.models.get(asked.box)
        contacted = model is not None and model.link is not None
        source = next((one.source for one in self._app.candidates() if one.name == box), "")
        if not contacted and source != "remembered":
            self._app.tell(f"There is nothing to forget: {box} is not remembered ({source}).")
            return
        does = f"Disconnect {box} and take it" if contacted else f"Take {box}"
        self._ask(
            "Forget a box",
            f"{does} off the list of remembered boxes?\n"
            "What runs there goes on. A host of the ssh config stays listed.",
            ("Yes, forget it", "Keep it"),
            lambda: self._forget(box),
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
        choices = (Choice("yes", "y", yes), Choice("no", "n", no))

        def decided(choice: str | None) -> None:
            if choice == "yes":
                act()

        self._app.push_screen(AskDialog(title, text, choices), decided)
