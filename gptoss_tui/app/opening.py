"""The places from which a box is changed: opened where this session may, and where it is known."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gptoss_tui.app import messages as said
from gptoss_tui.app.model import BoxModel
from gptoss_tui.errors import StateError
from gptoss_tui.state import measurements
from gptoss_tui.state.paths import paths

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp


class Opening:
    """Opens wizard, upgrade and repair, or says why not. They are loaded when first wanted."""

    def __init__(self, app: GptossApp) -> None:
        self._app = app

    def wizard(self, asked: said.WizardRequested) -> None:
        from gptoss_tui.app.screens.wizard import WizardScreen

        model = self._app.model(asked.box)
        if self._may_change(model, "launched"):
            _recall(model)
            self._app.go(WizardScreen(model))

    def upgrade(self, asked: said.UpgradeRequested) -> None:
        from gptoss_tui.app.screens.upgrade import UpgradeScreen

        model = self._app.model(asked.box)
        instance = model.instance(asked.instance)
        if instance is not None and self._may_change(model, "upgraded"):
            _recall(model)
            self._app.go(UpgradeScreen(model, instance))
            self._app.feeds.look(asked.box)

    def repairs(self, asked: said.RepairsRequested) -> None:
        from gptoss_tui.app.screens.repair import RepairScreen

        model = self._app.model(asked.box)
        if self._may_change(model, "repaired"):
            self._app.go(RepairScreen(model))
            self._app.feeds.survey(asked.box)

    def _may_change(self, model: BoxModel, what: str) -> bool:
        """Whether the session may, and the box is known well enough; says so where not."""
        if self._app.fleet.read_only:
            self._app.tell(f"This is a read-only session: nothing can be {what}.", "warning")
        elif model.report is None:
            self._app.tell("The box has not been looked at yet: connect first (enter).", "warning")
        return model.report is not None and not self._app.fleet.read_only


def _recall(model: BoxModel) -> None:
    """What earlier launches on the box have shown; a plan without it is still a plan."""
    with suppress(StateError):
        model.corrections = measurements.corrections(paths().measurements_file, model.name)
        model.speeds = measurements.speeds(paths().measurements_file, model.name)
