"""The place *Upgrade*: another version in a server's place, with what changes and the plan again."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from gptoss_tui.app.in_app import in_app
from gptoss_tui.app.messages import LaunchRequested
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.plan_text import notes, stop_lines, verdict_line, warning_line
from gptoss_tui.app.screens.dialogs import AskDialog, Choice
from gptoss_tui.app.screens.plan_place import PlanPlace, blocking, plan_bindings, unheard_lines
from gptoss_tui.app.widgets.field import Field
from gptoss_tui.app.widgets.keys_footer import KeysFooter
from gptoss_tui.app.widgets.memory_bar import MemoryBar
from gptoss_tui.domain.draining import stop_plan
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import Instance, InstanceList
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.render import command_page, docker_run
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.upgrade import ROLL_BACK, Upgrade, moved_on, upgraded
from gptoss_tui.errors import GptossError
from gptoss_tui.state.identity import new_launch_id, who


class UpgradeScreen(PlanPlace):
    """Shows what the new version would be, live; nothing is replaced without a yes."""

    CSS_PATH = "upgrade.tcss"  # read when the place is first shown
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "upgrade", "Upgrade", id="upgrade.go"),
        *plan_bindings("upgrade"),
    ]

    def __init__(self, model: BoxModel, instance: Instance) -> None:
        super().__init__()
        assert instance.spec is not None
        self._model = model
        self._instance = instance.name
        self._server = instance
        self._old: LaunchSpec = instance.spec
        self._made: Upgrade | None = None
        self._problem = ""

    @property
    def _app(self) -> Any:
        return self.app

    @property
    def _report(self) -> BoxReport:
        assert self._model.report is not None
        return self._model.report.body

    def compose(self) -> ComposeResult:
        engine = engine_named(self._old.engine)
        with Vertical(id="form"):
            yield Static(classes="label", id="version-label")
            yield Field(engine.default_version, id="version")
            yield Static("image (or the engine's own)", classes="label")
            yield Field(id="image")
        with VerticalScroll(id="plan", can_focus=False):
            yield Static(id="verdict")  # first: what stands in the way must not be scrolled to
            yield Static(id="changes")
            yield MemoryBar()
            yield Static(id="notes")
            yield Static(id="command")
        yield KeysFooter()

    def on_mount(self) -> None:
        self.query_one("#form").border_title = Content(
            f" Upgrade {self._instance} on {self._model.name} "
        )
        self.query_one("#plan").border_title = " what changes · ctrl+l asks "
        self._replan()

    def show_fact(self, model: BoxModel, fact: AnyFact) -> None:
        """The box, and how many requests run, as they are now."""
        if model is not self._model:
            return
        if isinstance(fact.body, BoxReport):
            self._replan()
        elif isinstance(fact.body, InstanceList | EngineSnapshot | LinkState):
            self._draw()

    @on(Input.Changed)
    def _replan(self) -> None:
        self._made, self._problem = None, ""
        try:
            self._made = self._upgrade()
        except GptossError as error:
            self._problem = in_app(str(error))
        self._draw()

    def _upgrade(self) -> Upgrade:
        """What stands in the form, planned. Raises `GptossError`."""
        now = self._app.clock()
        return upgraded(
            self._old,
            self._report,
            version=self.query_one("#version", Input).value,
            image=self.query_one("#image", Input).value.strip() or None,
            launch_id=new_launch_id(now),
            created_by=who(),
            created_at=now,
            corrections=self._model.corrections,
            speeds=self._model.speeds,
        )

    # --- drawing --------------------------------------------------------------------------------

    def _draw(self) -> None:
        made = self._made
        plan = made.plan if made else None
        title = engine_named(self._old.engine).title
        same = ", the same" if made and made.same else ""
        label = f"{title} version or tag (now {self._old.engine_version}{same})"
        self.query_one("#version-label", Static).update(label)
        self.query_one("#changes", Static).update(Content("\n").join(self._changes()))
        self.query_one("#verdict", Static).update(Content("\n").join(self._verdict()))
        memory = self.query_one(MemoryBar)
        memory.display = plan is not None
        memory.memory = plan.memory_gib if plan else None
        self.query_one("#notes", Static).update(notes(plan))
        self.query_one("#command", Static).update(Content(self.command()))

    def _changes(self) -> list[Content]:
        """What changes, how many requests it hits, what becomes of them and of the server."""
        warning = stop_plan(self._server).warning
        said = (
            *(self._made.changes if self._made else ()),
            self._busy(),
            f"{self._instance} {ROLL_BACK}",
        )
        return [*map(Content, said), *([warning_line(warning)] if warning else [])]

    def _busy(self) -> str:
        return self._model.busy_words(self._instance, self._app.clock())

    def _verdict(self) -> list[Content]:
        """What stands in the way, and the plan's verdict where anything would change."""
        made, found = self._made, stop_lines(self._stops())
        found += unheard_lines(self._model)
        if made is not None and made.same:
            found.append(Content(f"{made.same} Write another one above to see what it changes."))
        elif made is not None and made.plan is not None:
            found.append(verdict_line(made.plan))
        if made is not None and made.warning:
            found.append(warning_line(made.warning))
        return found

    def command(self) -> str:
        return command_page(docker_run(self._made.spec)) if self._made else ""

    def problem(self) -> str:
        return self._problem

    def _stops(self) -> list[str]:
        """What is in the way: the server was replaced, the box blocks, the form makes no sense."""
        image = self._made.spec.image if self._made else None
        found = (self._moved(), *blocking(self._report, self._old.engine, image), self._problem)
        return [text for text in found if text]

    def _refused(self) -> str:
        """Why nothing is upgraded as it stands; nothing where it can be."""
        made, found = self._made, self._stops()
        if made is not None and made.same:
            found.append(f"{made.same} To start it anew, restart it (s).")
        elif made is not None and made.plan is not None and not made.plan.serves:
            found.append(made.plan.reason)
        return " ".join(found)

    def _moved(self) -> str:
        """Why the server is not the one any more for which this was planned; else nothing."""
        now = self._model.instance(self._instance)
        return moved_on(self._server, now) if self._model.instances else ""

    # --- keys -----------------------------------------------------------------------------------

    def action_upgrade(self) -> None:
        """Ask; on a yes the launch helper of the box does the rest."""
        self._replan()
        made, refused = self._made, self._refused()
        if made is None or refused:
            self._app.tell(f"Nothing is upgraded: {refused}", "warning")
            return
        title = engine_named(made.spec.engine).title
        text = (
            f"Put {title} {made.spec.engine_version} in the place of {self._instance} "
            f"({made.old.engine_version}) on {self._model.name}?\n"
            f"{self._busy()}\n{stop_plan(self._server).warning}"
        )
        choices = (Choice("yes", "y", "Yes, upgrade it"), Choice("no", "n", "Keep it"))
        intent = LaunchRequested(self._model.name, made.spec, Secrets(), upgrades=self._instance)

        def decided(choice: str | None) -> None:
            if choice != "yes":
                return
            if moved := self._moved():
                self._app.tell(f"Nothing is upgraded: {moved}", "warning")
                return
            self._app.post_message(intent)

        self.app.push_screen(AskDialog("Upgrade a server", text.rstrip(), choices), decided)
