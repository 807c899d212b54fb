"""The places of a box: opened where this session may, and where the box is known well enough."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gptoss_tui.app import messages as said
from gptoss_tui.app.cadence import LOOKED_S
from gptoss_tui.app.model import BoxModel
from gptoss_tui.errors import StateError
from gptoss_tui.state import measurements
from gptoss_tui.state.paths import paths

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp


class Opening:
    """Opens places, or says why not. Each is loaded when it is first wanted."""

    def __init__(self, app: GptossApp) -> None:
        self._app = app

    def dashboard(self, asked: said.DashboardRequested) -> None:
        """The box live; where it is in front already, another server or pane of it."""
        from gptoss_tui.app.screens.dashboard import DashboardScreen

        here = self._app.screen
        if isinstance(here, DashboardScreen) and here.box_name == asked.box:
            self._app.notices.dismiss()
            here.turn_to(asked.instance, asked.pane)
            return
        model = self._app.model(asked.box)
        self._app.go(DashboardScreen(model, asked.instance, asked.pane))

    def launched(self, asked: said.LaunchRequested) -> None:
        """The timeline of what is launched now, in the place of the form that asked for it."""
        from gptoss_tui.app.screens.launch import LaunchScreen

        with suppress(StateError):  # a launch without them is still a launch
            file = paths().measurements_file
            asked.spec = measurements.recalled(file, asked.box, asked.spec)
        self._app.leaving.launched(asked.spec.launch_id, asked.box)
        self._app.chats.keep_key(asked.box, asked.spec.name, asked.secrets.api_key)
        self._app.pop_screen()
        self._app.go(LaunchScreen(self._app.model(asked.box), asked.spec))

    def launch(self, asked: said.LaunchWatchRequested) -> None:
        """The timeline of a launch that was begun before, or by somebody else."""
        from gptoss_tui.app.screens.launch import LaunchScreen

        self._app.go(LaunchScreen(self._app.model(asked.box), None, asked.launch_id))

    def wizard(self, asked: said.WizardRequested) -> None:
        from gptoss_tui.app.screens.wizard import WizardScreen

        model = self._app.model(asked.box)
        if self._may_change(model, "launched"):
            _recall(model)
            self._app.go(WizardScreen(model))
            self._look_again(model)

    def upgrade(self, asked: said.UpgradeRequested) -> None:
        from gptoss_tui.app.screens.upgrade import UpgradeScreen

        model = self._app.model(asked.box)
        instance = model.instance(asked.instance)
        if instance is not None and self._may_change(model, "upgraded"):
            _recall(model)
            self._app.go(UpgradeScreen(model, instance))
            self._app.feeds.look(asked.box)

    def _look_again(self, model: BoxModel) -> None:
        """A plan is made for the box as it is, not as it was when it was connected."""
        report = model.report
        if report is None or (self._app.clock() - report.our_time).total_seconds() > LOOKED_S:
            self._app.feeds.look(model.name)

    def repairs(self, asked: said.RepairsRequested) -> None:
        from gptoss_tui.app.screens.repair import RepairScreen

        model = self._app.model(asked.box)
        if self._may_change(model, "repaired"):
            self._app.go(RepairScreen(model))
            self._app.feeds.survey(asked.box)

    def page(self, asked: said.PageRequested) -> None:
        from gptoss_tui.app.screens.page import PageScreen

        self._app.go(PageScreen(asked.title, asked.text))

    def _may_change(self, model: BoxModel, what: str) -> bool:
        """Whether the session may, and the box is known well enough; says so where not."""
        if self._app.refuse_read_only(what):
            return False
        if model.report is None:
            self._app.tell("The box has not been looked at yet: connect first (enter).", "warning")
        return model.report is not None


def _recall(model: BoxModel) -> None:
    """What earlier launches on the box have shown; a plan without it is still a plan."""
    with suppress(StateError):
        model.corrections = measurements.corrections(paths().measurements_file, model.name)
        model.speeds = measurements.speeds(paths().measurements_file, model.name)
