"""The place *Launch*: the timeline, then how to use what runs (or why it failed)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Static

from gptoss_tui.app.in_app import in_app
from gptoss_tui.app.messages import (
    ActionFailed,
    CancelLaunchRequested,
    CopyRequested,
    DashboardRequested,
    LaunchRequested,
    PageRequested,
    RepairsRequested,
)
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.screens.dialogs import AskDialog, Choice
from gptoss_tui.app.screens.plan_place import blocking
from gptoss_tui.app.timeline_text import (
    difference_table,
    evidence_lines,
    running_row,
    timeline_lines,
)
from gptoss_tui.app.widgets.keys_footer import KeysFooter
from gptoss_tui.domain.doctor.diagnosis import Change
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.relaunch import changed, in_words
from gptoss_tui.domain.render import (
    base_url,
    command_page,
    docker_run,
    openai_env,
    ssh_forward_line,
)
from gptoss_tui.domain.upgrade import ROLL_BACK, fate, remains
from gptoss_tui.errors import GptossError
from gptoss_tui.state.identity import new_launch_id

_SHORT = 20  # rows; with fewer, phases and outcome do not stand side by side in full


class LaunchScreen(Screen[None]):
    """Shows one launch of one box, wherever it stands."""

    CSS_PATH = "launch.tcss"  # read when the place is first shown
    AUTO_FOCUS = "#outcome"  # `tab` leads to the timeline, so that its keys scroll that
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "dashboard", "Dashboard, chat", id="launch.dashboard"),
        Binding("u", "copy_url", "Copy URL", id="launch.url"),
        Binding("e", "copy_env", "Copy env", id="launch.env"),
        Binding("s", "copy_ssh", "Copy ssh", id="launch.ssh"),
        Binding("f", "fix", "Apply the fix", id="launch.fix"),
        Binding("x", "cancel", "Cancel the launch", id="launch.cancel"),
        Binding("c", "copy_command", "Copy docker run", id="launch.command"),
        Binding("p", "log", "Log", id="launch.log"),
        Binding("o", "page", "As a page", id="launch.page"),
        Binding("q", "app.back", "Back", id="launch.back"),
    ]

    def __init__(
        self, model: BoxModel, spec: LaunchSpec | None, launch_id: str | None = None
    ) -> None:
        super().__init__()
        self._model = model
        self._spec = spec
        self._launch_id = launch_id or (spec.launch_id if spec else "")
        self._refusal = ""
        self._row: int | None = None  # the row of the timeline that was scrolled to
        self._ready_at: datetime | None = None  # when it was first seen to be ready, by our time

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="timeline"):
            yield Static(id="phases")
        with VerticalScroll(id="outcome"):
            yield Static(id="end")
        yield KeysFooter()

    def on_mount(self) -> None:
        self.set_interval(1.0, self._draw)
        self._take_in()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.height < _SHORT, "-short")
        self._row = None  # there is more or less room now
        self.call_after_refresh(self._draw)  # the bar is as wide as there is room

    @property
    def progress(self) -> LaunchProgress | None:
        fact = self._model.launches.get(self._launch_id)
        return fact.body if fact else None

    @property
    def _upgrades(self) -> str | None:
        """The server whose place this launch takes, where that is known."""
        return self.progress.replaces if self.progress else None

    @property
    def _app(self) -> Any:
        return self.app

    def show_fact(self, model: BoxModel, fact: AnyFact) -> None:
        if isinstance(fact.body, LaunchProgress) and fact.body.launch_id == self._launch_id:
            self._take_in()

    def _take_in(self) -> None:
        """What is known of the launch has changed."""
        if self._ready_at is None and self.progress and self.progress.state == "ready":
            self._ready_at = self._app.clock()
        self._draw()

    def show_failure(self, message: ActionFailed) -> bool:
        """A launch that was refused before it began is told here, not in a passing toast."""
        if self.progress is not None or message.box != self._model.name:
            return False
        self._refusal = f"{message.error.message}\n{in_app(message.error.next_step)}"
        self._draw()
        return True

    def _draw(self) -> None:
        progress = self.progress
        name = progress.name if progress else (self._spec.name if self._spec else "")
        timeline = self.query_one("#timeline")
        over = progress is not None and progress.state != "running"
        self.set_class(over, "-over")
        timeline.border_title = Content(f" {self._doing(over)} {name} on {self._model.name} ")
        if progress is None:
            waiting = self._refusal or "Handing the launch over to the box…"
            self.query_one("#phases", Static).update(Content(waiting))
            self._end(Content(""))
            return
        width = max(30, timeline.content_size.width)
        lines = timeline_lines(progress, self._model.box_now(self._app.clock()), width)
        self.query_one("#phases", Static).update(Content("\n").join(lines))
        self._follow(running_row(lines, width))
        self._end(self._outcome(progress))
        self.refresh_bindings()

    def _follow(self, row: int) -> None:
        """Have the phase that runs in sight once it is another one: meanwhile all can be read."""
        if row != self._row:
            self._row = row
            timeline = self.query_one("#timeline")
            self.call_after_refresh(timeline.scroll_to, y=row, animate=False)

    def _doing(self, over: bool) -> str:
        if over:
            return "Upgrade of" if self._upgrades else "Launch of"
        return "Upgrading" if self._upgrades else "Launching"

    def _end(self, content: Content) -> None:
        self.query_one("#end", Static).update(content)

    def _outcome(self, progress: LaunchProgress) -> Content:
        if progress.state == "running":
            old = f"\n{self._upgrades} {ROLL_BACK}" if self._upgrades else ""
            return Content(
                f"{self._unheard()}It goes on by itself on the box: you may leave this place, or "
                f"close the laptop.{old}"
            )
        if progress.state == "ready":
            return self._usage()
        left = "".join(f"\nWhat remains: {text}." for text in remains(progress))
        place = f"\n{words}" if (words := fate(progress)) else ""
        sign = "✗ " if progress.state == "failed" else "– "
        return Content.assemble(
            (sign, "$error bold"), progress.error, (place, "bold"),
            (evidence_lines(progress), "$foreground 60%"),
            f"\n{in_app(progress.next_step)}", left,
            (f"\n\nf: {in_words(change)}" if (change := self._change) else "", "$accent"),
        )  # fmt: skip

    @property
    def _change(self) -> Change | None:
        """What a key can change about the failure."""
        found = self.progress.diagnosis if self.progress else None
        return found.change if found is not None and self.spec is not None else None

    def _usage(self) -> Content:
        if since := self._since():
            return Content.assemble(("– ", "$warning bold"), since)
        spec = self.spec
        ready = Content.assemble(("✓ Ready. ", "$success bold"), self._unheard())
        if spec is None:
            return ready + Content("d opens the dashboard with the chat.")
        return Content.assemble(
            ready, "d opens the dashboard with the chat. From this laptop:\n\n",
            (f"{self._ssh_line()}\n\n", "$accent"),
            (openai_env(base_url(spec), spec.served_name, spec.needs_api_key), "$accent"),
            difference_table(self.progress),
        )  # fmt: skip

    def _since(self) -> str:
        """What has become of the server that was ready; nothing while it is there."""
        listed, progress = self._model.instances, self.progress
        if progress is None or self._ready_at is None:
            return ""
        if listed is None or listed.our_time <= self._ready_at:
            return ""  # the list may be from before it was there
        name = progress.name
        now = self._model.instance(name)
        if now is None:
            return f"{name} was ready, and is not on {self._model.name} any more: it was stopped."
        if now.launch_id != self._launch_id:
            return f"{name} was ready; another launch has taken its place since (d shows it)."
        if now.has_ended:
            return f"{name} was ready; its container has ended since (d shows its log)."
        if name in self._model.drains:
            return f"{name} is being stopped: d shows how far that is."
        return ""

    def _unheard(self) -> str:
        """What is shown may be old while the box is not heard."""
        link = self._model.link
        return "" if link is None or link.phase == "up" else "(The box is not heard right now.) "

    @property
    def spec(self) -> LaunchSpec | None:
        """What was launched: known from the wizard, or from the container's label."""
        if self._spec is None and self.progress is not None:
            self._spec = self.progress.spec
        if self._spec is None and self.progress is not None:
            found = self._model.instance(self.progress.name)
            self._spec = found.spec if found else None
        return self._spec

    def _ssh_line(self) -> str:
        target = self._model.ssh_target
        if self.spec is None or target is None:
            return "# it runs on this machine: no tunnel is needed"
        return ssh_forward_line(target, self.spec.port)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        state = self.progress.state if self.progress else None
        if action == "fix":
            return self._change is not None and not self._app.fleet.read_only
        if action == "cancel":
            return state == "running"
        if action == "log":
            return self._server is not None
        if action in ("copy_command", "page"):
            return self.spec is not None
        if action in ("copy_url", "copy_env", "copy_ssh"):
            return state == "ready" and self.spec is not None and not self._since()
        return True

    @property
    def _server(self) -> Instance | None:
        """What was launched, while the box has a container of it."""
        found = self._model.instance(self.progress.name) if self.progress else None
        ours = found is not None and found.launch_id == self._launch_id
        return found if found is not None and ours and found.state != "launching" else None

    def action_dashboard(self) -> None:
        state = self.progress.state if self.progress else "running"
        # The chat where there is one to talk to, the log of what ended, else the GPUs that fill.
        self._turn_to({"running": 1, "ready": 3 if self._since() else 4}.get(state, 3))

    def action_log(self) -> None:
        self._turn_to(3)

    def _turn_to(self, pane: int) -> None:
        """Leave for this pane of the dashboard, about the server that was launched."""
        self.app.pop_screen()
        name = self.progress.name if self.progress else None
        self.app.post_message(DashboardRequested(self._model.name, name, pane))

    def action_cancel(self) -> None:
        self.post_message(CancelLaunchRequested(self._model.name, self._launch_id))

    def action_fix(self) -> None:
        """Show the launch with the change in it, and launch it on a yes."""
        spec, change, progress = self.spec, self._change, self.progress
        if spec is None or change is None or progress is None:
            return
        if change.kind == "toolkit":
            self.post_message(RepairsRequested(self._model.name))
            return
        # A server that is replaced hands its secrets on.
        upgrades = progress.replaces
        key = self._app.chats.key(self._model.name, spec.name)
        if spec.needs_api_key and key is None and upgrades is None:
            self._app.tell(
                "Its API key is not known here: launch again from the wizard.", "warning"
            )
            return
        try:
            again = self._changed(spec, change)
        except GptossError as error:
            self._app.show_error(error, "apply the fix")
            return
        report = self._model.report
        if report and (blocked := blocking(report.body, again.engine, again.image)):
            self._app.tell(f"Nothing is launched: {' '.join(blocked)}", "warning")
            self._app.feeds.look(self._model.name)  # it may have been mended since
            return
        old = self._model.instance(spec.name)
        replaces = old.name if old and old.launch_id == spec.launch_id else None
        text = f"{in_words(change)}:\n\n{command_page(docker_run(again))}"
        if replaces:
            text += f"\n\nThe stopped container {replaces} is removed."
        if upgrades:
            text += f"\n\n{upgrades} {ROLL_BACK}"
        secrets = Secrets(api_key=key)
        intent = LaunchRequested(self._model.name, again, secrets, replaces, upgrades)
        choices = (Choice("yes", "y", "Yes, launch it"), Choice("no", "n", "Leave it"))

        def decided(choice: str | None) -> None:
            if choice == "yes":
                self._app.post_message(intent)

        self.app.push_screen(AskDialog("Launch again", text, choices), decided)

    def _changed(self, spec: LaunchSpec, change: Change) -> LaunchSpec:
        now, report, servers = self._app.clock(), self._model.report, self._model.instances
        return changed(
            spec,
            change,
            launch_id=new_launch_id(now),
            created_at=now,
            servers=servers.body.instances if servers else (),
            ports=report.body.listening_ports if report else (),
            driver_version=report.body.driver_version if report else None,
        )

    def action_copy_url(self) -> None:
        if self.spec:
            self.post_message(CopyRequested(base_url(self.spec), "the base URL"))

    def action_copy_env(self) -> None:
        if self.spec:
            block = openai_env(base_url(self.spec), self.spec.served_name, self.spec.needs_api_key)
            self.post_message(CopyRequested(block, "the OPENAI_BASE_URL block"))

    def action_copy_ssh(self) -> None:
        self.post_message(CopyRequested(self._ssh_line(), "the ssh line"))

    def action_copy_command(self) -> None:
        if self.spec:
            self.post_message(CopyRequested(command_page(docker_run(self.spec)), "docker run"))

    def action_page(self) -> None:
        if self.spec:
            self.post_message(PageRequested("docker run", command_page(docker_run(self.spec))))
