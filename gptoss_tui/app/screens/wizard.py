"""The place *Wizard*: choices on one side, the plan that follows on the other, live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import Input, RadioSet, SelectionList, Static

from gptoss_tui.app import wizard_state
from gptoss_tui.app.messages import (
    LaunchRequested,
    RepairsRequested,
)
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.plan_text import brief_line, notes, release_lines, stop_lines, verdict_line
from gptoss_tui.app.preflight_text import step_one
from gptoss_tui.app.screens.plan_place import PlanPlace, blocking, plan_bindings, unheard_lines
from gptoss_tui.app.widgets.field import Field
from gptoss_tui.app.widgets.keys_footer import KeysFooter
from gptoss_tui.app.widgets.marks import MarkedList, MarkedRadio
from gptoss_tui.app.widgets.memory_bar import MemoryBar
from gptoss_tui.app.wizard_state import Choices, Outcome, Stamp
from gptoss_tui.domain.blockers import findings_for
from gptoss_tui.domain.engines.registry import ENGINES, engine_named
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import Instance, InstanceList
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.render import command_page, docker_run
from gptoss_tui.domain.secret import Secret
from gptoss_tui.state.identity import new_launch_id, who

_MODELS = ("20b", "120b")
_ENGINES = tuple(ENGINES)


class WizardScreen(PlanPlace):
    """One screen: every change of a choice makes the plan anew."""

    CSS_PATH = "wizard.tcss"  # read when the place is first shown
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "launch", "Launch", id="wizard.launch"),
        Binding("ctrl+r", "repair", "Repair", id="wizard.repair"),
        *plan_bindings("wizard"),
        Binding(
            "shift+tab",
            "app.focus_previous",
            "Previous",
            show=False,
            id="wizard.previous",
            priority=True,
        ),
    ]

    def __init__(self, model: BoxModel) -> None:
        super().__init__()
        assert model.report is not None
        self._model = model
        self._report: BoxReport = model.report.body
        self._choices = wizard_state.first_choices(self._report, self._servers)
        self._holders = wizard_state.holders(self._report, self._servers)
        self._seen = self._report, self._servers
        # What stands behind each engine, while another one is chosen.
        self._versions = {name: engine.default_version for name, engine in ENGINES.items()}
        self._by_hand = False  # whether the user chose the GPUs
        self._outcome = Outcome()

    @property
    def _servers(self) -> tuple[Instance, ...]:
        listed = self._model.instances.body.instances if self._model.instances else ()
        launches = [fact.body for fact in self._model.launches.values()]
        return wizard_state.servers_with_gpus(listed, launches)

    @property
    def _app(self) -> Any:
        return self.app

    def compose(self) -> ComposeResult:
        with Horizontal(id="body"):
            with VerticalScroll(id="form", can_focus=False):
                yield from self._form()
            with VerticalScroll(id="plan", can_focus=False):
                yield Static(id="verdict")
                yield MemoryBar()
                yield Static(id="notes")
                yield Static(id="command")
        yield Static(id="brief")
        yield KeysFooter()

    def _form(self) -> ComposeResult:
        yield Static("model", classes="label", id="model-label")
        with RadioSet(id="model"):
            for model in _MODELS:
                yield MarkedRadio(model, value=model == "20b", id=f"model-{model}")
        yield Static("engine", classes="label", id="engine-label")
        with RadioSet(id="engine"):
            for engine in _ENGINES:
                title = engine_named(engine).title
                yield MarkedRadio(title, value=engine == "vllm", id=f"engine-{engine}")
        yield Static(classes="label", id="version-label")
        yield Field(self._versions["vllm"], id="version", restrict=r"[\w.:/@+-]*")
        yield Static("context (32k, up to 128k)", classes="label", id="context-label")
        yield Field(self._choices.context, id="context", restrict=r"[0-9kK,_]*")
        yield Static("simultaneous users", classes="label")
        yield Field(self._choices.users, id="users", restrict=r"[0-9,]*")
        yield Static("GPUs", classes="label", id="gpus-label")
        yield MarkedList(*self._gpu_rows(), id="gpus")
        yield Static("name (or chosen for you)", classes="label")
        yield Field(id="name")
        yield Static("port (or the first free)", classes="label")
        yield Field(id="port", restrict=r"[0-9]*")
        yield Static("API key (optional)", classes="label", id="api-key-label")
        yield Field(password=True, id="api-key")
        yield Static("HF token (GPT-OSS needs none)", classes="label")
        yield Field(password=True, id="hf-token")

    def _gpu_rows(self) -> Iterator[tuple[Content, str, bool]]:
        for gpu in self._report.gpus:
            key = str(gpu.index)
            label = wizard_state.gpu_label(gpu, self._holders.get(key, ""))
            yield Content(label), key, key in self._choices.gpu_ids

    def on_mount(self) -> None:
        self.query_one("#form").border_title = Content(f" 1 choose · {self._model.name} ")
        self.query_one("#plan").border_title = " 2 plan · ctrl+l launches "
        self._replan()
        self.query_one("#model").focus()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < 78, "-narrow")

    # --- facts ----------------------------------------------------------------------------------

    def show_fact(self, model: BoxModel, fact: AnyFact) -> None:
        """A box that was repaired, looked at again or launched on is planned for as it is now."""
        if model is not self._model:
            return
        if isinstance(fact.body, LinkState):
            self._draw()
            return
        if isinstance(fact.body, BoxReport):
            self._report = fact.body
        elif not isinstance(fact.body, InstanceList | LaunchProgress):
            return
        seen = self._report, self._servers
        if seen == self._seen:
            return
        self._seen = seen
        self._look_at_gpus()
        self._replan()

    def _look_at_gpus(self) -> None:
        """Leave GPUs that somebody took meanwhile, and say so; show who is on which."""
        servers, before = self._servers, self._holders
        self._holders = wizard_state.holders(self._report, servers)
        there = {str(gpu.index) for gpu in self._report.gpus}
        kept = tuple(key for key in self._choices.gpu_ids if key in there)
        choices = replace(self._choices, gpu_ids=kept)
        moved = wizard_state.moved(self._report, choices, servers, before)
        if moved is not None:
            self._by_hand, kept = False, moved.gpu_ids
            self._app.tell(moved.words, "warning")
        elif not kept and not self._by_hand:  # perhaps one is free now
            kept = wizard_state.preselected(self._report, choices, servers)
        self._take_gpus(kept)

    def _take_gpus(self, chosen: tuple[str, ...]) -> None:
        """Fill the list of GPUs anew, these chosen, with the cursor where it was."""
        self._choices = replace(self._choices, gpu_ids=chosen)
        listed = self.query_one(MarkedList)
        at = listed.highlighted
        with self.prevent(SelectionList.SelectedChanged):
            listed.clear_options()
            listed.add_options(list(self._gpu_rows()))
        if at is not None and at < listed.option_count:
            listed.highlighted = at

    # --- choices --------------------------------------------------------------------------------

    @on(RadioSet.Changed)
    def _model_or_engine_chosen(self) -> None:
        """What needs more or fewer GPUs gets them, as long as the user has chosen none."""
        before = self._choices
        self._choices = self._read()
        if self._choices.engine != before.engine:
            self._take_version(before)
        if not self._by_hand:
            found = wizard_state.preselected(self._report, self._choices, self._servers)
            if found and found != self._choices.gpu_ids:
                self._take_gpus(found)
        self._replan()

    def _take_version(self, before: Choices) -> None:
        """Each engine has versions of its own: keep the one that stood here, show the other's."""
        self._versions[before.engine] = self._choices.version
        version = self._versions[self._choices.engine]
        with self.prevent(Input.Changed):
            self.query_one("#version", Input).value = version
        self._choices = replace(self._choices, version=version)

    @on(SelectionList.SelectedChanged)
    def _gpus_chosen(self) -> None:
        self._by_hand = True
        self._replan()

    @on(Input.Changed)
    def _replan(self) -> None:
        """Read the form, make the plan, draw it."""
        self._choices = self._read()
        now = self._app.clock()
        self._outcome = wizard_state.outcome(
            self._report,
            self._choices,
            self._servers,
            corrections=self._model.corrections,
            speeds=self._model.speeds,
            stamp=Stamp(new_launch_id(now), who(), now),
        )
        self._draw()

    def _read(self) -> Choices:
        model, engine = (self.query_one(f"#{name}", RadioSet) for name in ("model", "engine"))
        return Choices(
            model=_MODELS[max(0, model.pressed_index)],
            engine=_ENGINES[max(0, engine.pressed_index)],
            version=self._text("version"),
            context=self._text("context"),
            users=self._text("users"),
            gpu_ids=tuple(sorted(self.query_one(SelectionList).selected, key=int)),
            port=self._text("port"),
            name=self._text("name"),
            has_key=bool(self._text("api-key")),
            has_token=bool(self._text("hf-token")),
        )

    def _text(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value

    def _draw(self) -> None:
        plan = self._outcome.plan
        self._draw_labels()
        memory = self.query_one(MemoryBar)
        memory.memory, memory.engine = plan.memory_gib if plan else None, self._choices.engine
        self.query_one("#verdict", Static).update(Content("\n").join(self._verdict()))
        self.query_one("#brief", Static).update(brief_line(plan, self._stops()))
        self.query_one("#notes", Static).update(notes(plan))
        self.query_one("#command", Static).update(Content(self.command()))

    def _verdict(self) -> list[Content]:
        """What stands in the way comes first, so that the first line never looks like a go."""
        plan, image = self._outcome.plan, self._image
        box = step_one(findings_for(self._report, self._choices.engine, image))
        verdict = [verdict_line(plan)] if plan else []
        return [
            *stop_lines(self._outcome.faults),
            *unheard_lines(self._model),
            *([*box, *verdict] if plan and plan.serves else [*verdict, *box]),
            *release_lines(self._outcome, self._report.driver_version),
        ]

    def _stops(self) -> tuple[str, ...]:
        """All that keeps this from being launched: in the form, in the plan, on the box."""
        plan = self._outcome.plan
        return (
            *self._outcome.faults,
            *((plan.reason,) if plan and not plan.serves else ()),
            *blocking(self._report, self._choices.engine, self._image),
        )

    @property
    def _image(self) -> str | None:
        return self._outcome.spec.image if self._outcome.spec else None

    def command(self) -> str:
        spec = None if self._outcome.faults else self._outcome.spec
        return command_page(docker_run(spec)) if spec else ""

    def problem(self) -> str:
        return self._outcome.problem

    def _draw_labels(self) -> None:
        """What the labels tell besides: what is chosen, and what the engine makes of it."""
        engine = engine_named(self._choices.engine)
        meant = self._outcome.release
        context = "context per slot (up to" if engine.name == "ollama" else "context (32k, up to"
        labels = {
            "model": f"model: gpt-oss-{self._choices.model} (←→ space)",
            "engine": f"engine: {engine.title} {meant.version if meant else ''}".rstrip(),
            "version": f"version or tag (pinned {engine.default_version})",
            "context": f"{context} 128k)",
            "gpus": f"GPUs: {', '.join(self._choices.gpu_ids) or 'none'} (space chooses)",
            "api-key": f"API key ({'optional' if engine.takes_key else f'{engine.title} takes none'})",
        }
        for name, text in labels.items():
            self.query_one(f"#{name}-label", Static).update(text)

    def action_launch(self) -> None:
        self._replan()
        spec, stops = self._outcome.spec, self._stops()
        if spec is None or stops:
            self._app.tell(f"Nothing is launched: {' '.join(stops)}", "warning")
            return
        secrets = Secrets(
            hf_token=Secret.of(self._text("hf-token")), api_key=Secret.of(self._text("api-key"))
        )
        for field in ("hf-token", "api-key"):
            self.query_one(f"#{field}", Input).clear()
        self.app.post_message(LaunchRequested(self._model.name, spec, secrets))

    def action_repair(self) -> None:
        self.post_message(RepairsRequested(self._model.name))
