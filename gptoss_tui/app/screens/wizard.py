"""The place *Wizard*: choices on one side, the plan that follows on the other, live."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Input, RadioSet, SelectionList, Static

from gptoss_tui.app import wizard_state
from gptoss_tui.app.messages import (
    CopyRequested,
    LaunchRequested,
    PageRequested,
    RepairsRequested,
)
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.preflight_text import step_one
from gptoss_tui.app.widgets.field import Field
from gptoss_tui.app.widgets.figures import plural
from gptoss_tui.app.widgets.keys_footer import KeysFooter
from gptoss_tui.app.widgets.marks import MarkedList, MarkedRadio
from gptoss_tui.app.widgets.memory_bar import MemoryBar
from gptoss_tui.app.wizard_state import Choices, Outcome
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.host import BoxReport, Finding
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.plan import Alternative, Plan
from gptoss_tui.domain.preflight import image_finding, launches_blocked_by
from gptoss_tui.domain.render import command_page, docker_run
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import GptossError
from gptoss_tui.state.identity import new_launch_id, who

_SIGNS = {
    "fits": ("✓ fits", "$success bold"),
    "tight": ("▲ tight", "$warning bold"),
    "does_not_fit": ("✗ does not fit", "$error bold"),
    "unsupported": ("✗ not supported", "$error bold"),
}
_MODELS = ("20b", "120b")


class WizardScreen(Screen[None]):
    """One screen: every change of a choice makes the plan anew."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "launch", "Launch", id="wizard.launch"),
        Binding("ctrl+r", "repair", "Repair", id="wizard.repair"),
        Binding("ctrl+y", "copy", "Copy", id="wizard.copy"),
        Binding("ctrl+o", "page", "Page", id="wizard.page"),
        Binding("pageup", "scroll_plan(-1)", "Plan up", show=False, id="wizard.plan-up"),
        Binding("pagedown", "scroll_plan(1)", "Plan down", show=False, id="wizard.plan-down"),
        # Before the fields, so that what is typed right behind it goes to the next one.
        Binding("tab", "app.focus_next", "Next", id="wizard.next", priority=True),
        Binding(
            "shift+tab",
            "app.focus_previous",
            "Previous",
            show=False,
            id="wizard.previous",
            priority=True,
        ),
        Binding("ctrl+g,escape", "app.back", "Back", key_display="^g", id="wizard.back"),
    ]

    def __init__(self, model: BoxModel) -> None:
        super().__init__()
        assert model.report is not None
        self._model = model
        self._report: BoxReport = model.report.body
        chosen = wizard_state.preselected(self._report, "20b", self._servers)
        self._choices = Choices(gpu_ids=chosen)
        self._outcome = Outcome()

    @property
    def _servers(self) -> tuple[Instance, ...]:
        return self._model.instances.body.instances if self._model.instances else ()

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
        yield Static("context (32k, up to 128k)", classes="label")
        yield Field(self._choices.context, id="context", restrict=r"[0-9kK,_]*")
        yield Static("simultaneous users", classes="label")
        yield Field(self._choices.users, id="users", restrict=r"[0-9,]*")
        yield Static("GPUs", classes="label", id="gpus-label")
        yield MarkedList(
            *(
                (Content(wizard_state.gpu_label(gpu)), key, key in self._choices.gpu_ids)
                for gpu in self._report.gpus
                for key in (str(gpu.index),)
            ),
            id="gpus",
        )  # fmt: skip
        yield Static("name (or chosen for you)", classes="label")
        yield Field(id="name")
        yield Static("port (or the first free)", classes="label")
        yield Field(id="port", restrict=r"[0-9]*")
        yield Static("API key (optional)", classes="label")
        yield Field(password=True, id="api-key")
        yield Static("HF token (GPT-OSS needs none)", classes="label")
        yield Field(password=True, id="hf-token")

    def on_mount(self) -> None:
        self.query_one("#form").border_title = Content(f" 1 choose · {self._model.name} ")
        self.query_one("#plan").border_title = " 2 plan · ctrl+l launches "
        self._replan()
        self.query_one("#model").focus()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < 78, "-narrow")

    def show_fact(self, model: BoxModel, fact: AnyFact) -> None:
        """A box that was repaired, or looked at again, is planned for as it is now."""
        if model is self._model and isinstance(fact.body, BoxReport):
            self._report = fact.body
            self._replan()

    @on(RadioSet.Changed, "#model")
    def _model_chosen(self, event: RadioSet.Changed) -> None:
        self._replan()

    @on(Input.Changed)
    @on(SelectionList.SelectedChanged)
    def _replan(self) -> None:
        """Read the form, make the plan, draw it."""
        self._choices = self._read()
        self._outcome = wizard_state.outcome(
            self._report,
            self._choices,
            self._servers,
            self._model.corrections,
            self._model.speeds,
        )
        self._draw()

    def _read(self) -> Choices:
        pressed = self.query_one("#model", RadioSet).pressed_index
        return Choices(
            model=_MODELS[max(0, pressed)],
            context=self._text("context"),
            users=self._text("users"),
            gpu_ids=tuple(sorted(self.query_one(SelectionList).selected, key=int)),
            port=self._text("port"),
            name=self._text("name"),
        )

    def _text(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value

    def _draw(self) -> None:
        plan = self._outcome.plan
        chosen = ", ".join(self._choices.gpu_ids) or "none"
        self.query_one("#model-label", Static).update(f"model: gpt-oss-{self._choices.model}")
        self.query_one("#gpus-label", Static).update(f"GPUs: {chosen} (space chooses)")
        self.query_one(MemoryBar).memory = plan.memory_gib if plan else None
        self.query_one("#verdict", Static).update(
            Content("\n").join([*step_one(self._findings()), _verdict(self._outcome)])
        )
        self.query_one("#brief", Static).update(_brief(self._outcome))
        self.query_one("#notes", Static).update(_notes(plan))
        self.query_one("#command", Static).update(self._command())

    def _findings(self) -> tuple[Finding, ...]:
        """What was found of the box, and of its driver against the image of this choice."""
        try:
            spec = self._spec()
        except GptossError:
            spec = None  # the command's place says why
        found = image_finding(self._report.driver_version, spec.image) if spec else None
        codes = {finding.code for finding in self._report.findings}
        new = () if found is None or found.code in codes else (found,)
        return (*new, *self._report.findings)

    def _command(self) -> Content:
        try:
            spec = self._spec()
        except GptossError as error:
            return Content.assemble(("▲ ", "$warning"), str(error))
        return Content(command_page(docker_run(spec))) if spec else Content("")

    def _spec(self) -> LaunchSpec | None:
        if self._outcome.plan is None:
            return None
        now = self._app.clock()
        return wizard_state.spec_of(
            self._report,
            self._outcome.plan,
            self._choices,
            self._servers,
            launch_id=new_launch_id(now),
            created_by=who(),
            created_at=now,
            has_token=bool(self._text("hf-token")),
            needs_api_key=bool(self._text("api-key")),
        )

    def action_launch(self) -> None:
        plan = self._outcome.plan
        if plan is None or plan.verdict in ("does_not_fit", "unsupported"):
            reason = plan.reason if plan else self._outcome.problem
            self._app.tell(f"Nothing is launched: {reason}", "warning")
            return
        blocker = launches_blocked_by(self._findings())
        if blocker is not None:
            self._app.tell(f"Nothing is launched: {blocker.what} {blocker.do}", "warning")
            return
        try:
            spec = self._spec()
        except GptossError as error:
            self._app.show_error(error, "launch")
            return
        assert spec is not None
        secrets = Secrets(
            hf_token=Secret.of(self._text("hf-token")), api_key=Secret.of(self._text("api-key"))
        )
        for field in ("hf-token", "api-key"):
            self.query_one(f"#{field}", Input).clear()
        self.app.post_message(LaunchRequested(self._model.name, spec, secrets))

    def action_scroll_plan(self, direction: int) -> None:
        """The plan has no focus of its own: nothing in it can be chosen."""
        scrolled = self.query_one("#body" if self.has_class("-narrow") else "#plan")
        if direction > 0:
            scrolled.scroll_page_down()
        else:
            scrolled.scroll_page_up()

    def action_repair(self) -> None:
        self.post_message(RepairsRequested(self._model.name))

    def action_copy(self) -> None:
        self._with_command(lambda text: CopyRequested(text, "the docker run line"))

    def action_page(self) -> None:
        self._with_command(lambda text: PageRequested("docker run", text))

    def _with_command(self, make: Any) -> None:
        try:
            spec = self._spec()
        except GptossError as error:
            self._app.show_error(error)
            return
        if spec is None:
            self._app.tell(f"There is no plan yet: {self._outcome.problem}", "warning")
            return
        self.post_message(make(command_page(docker_run(spec))))


def _verdict(outcome: Outcome) -> Content:
    if outcome.plan is None:
        return Content.assemble(("✗ ", "$error bold"), outcome.problem)
    sign, style = _SIGNS[outcome.plan.verdict]
    return Content.assemble((sign, style), f"  {outcome.plan.reason}")


def _brief(outcome: Outcome) -> Content:
    """The verdict in one line, for screens that show the form alone."""
    plan = outcome.plan
    if plan is None:
        return Content.assemble(("✗ ", "$error bold"), outcome.problem)
    sign, style = _SIGNS[plan.verdict]
    memory = plan.memory_gib
    return Content.assemble(
        (sign, style), f"  weights {memory.weights:.0f}, KV {max(0.0, memory.kv_cache):.0f} "
        f"of {memory.device_total:.0f} GiB",
    )  # fmt: skip


def _notes(plan: Plan | None) -> Content:
    if plan is None:
        return Content("")
    lines = [
        *_requests(plan),
        *(_instead(other) for other in plan.alternatives),
        *_speed_and_cost(plan),
        f"Download: {plan.download_bytes / 1e9:.1f} GB of weights, "
        f"{plan.disk_bytes / 1e9:.0f} GB of disk with the image",
        *(f"▲ {warning}" for warning in plan.warnings),
    ]
    return Content("\n".join(lines))


def _requests(plan: Plan) -> list[str]:
    """How many requests run at once, of those who want it; nothing where none does."""
    if not plan.fits_requests:
        return []
    context, seqs = plan.request.max_model_len or 0, plan.request.max_num_seqs or 0
    most = plan.kv_cache.max_concurrency
    by_seqs = seqs <= most
    limit = f"--max-num-seqs {seqs} is the limit" if by_seqs else "the KV cache is the limit"
    return [
        f"For {plural(plan.request.users or 1, 'user')}: up to "
        f"{plural(plan.fits_requests, 'request')} of {context:,} tokens at once "
        f"({limit})" + ("." if by_seqs else ", more of shorter ones."),
        f"KV cache: {plan.kv_cache.tokens:,} tokens, estimated to ± {plan.band_gib:.1f} GiB.",
    ]


def _instead(other: Alternative) -> str:
    """What to change, with all flags that change by it."""
    flags = f" with {' '.join(other.flags)}" if other.flags else ""
    return f"→ instead: {other.change}{flags} ({other.verdict}, {other.fits_requests} requests)"


def _speed_and_cost(plan: Plan) -> list[str]:
    if not plan.fits_requests:
        return []
    lines: list[str] = []
    if plan.throughput is not None:
        speed = plan.throughput.all_users
        lines.append(
            f"Speed: {speed.low:,.0f} to {speed.high:,.0f} tokens/s for "
            f"{plural(plan.throughput.users, 'user')} together (roofline)."
        )
        if (seen := plan.throughput.seen_here) is not None:
            lines.append(
                f"This box has done {seen.tokens_per_s:,.0f} tokens/s with "
                f"{plural(round(seen.requests), 'request')} at once."
            )
    if plan.cost is not None:
        lines.append(
            f"Cost: about ${plan.cost.usd_per_hour:.2f} an hour, "
            f"${plan.cost.always_on_usd_per_month:,.0f} a month always on."
        )
    return lines
