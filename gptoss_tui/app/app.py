"""The Textual app: takes facts in, routes intents, shows failures as sentences."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from rich.segment import Segment, Segments
from textual import on
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.notifications import Notify
from textual.screen import ModalScreen, Screen

from gptoss_tui.app import messages as said
from gptoss_tui.app.asking import Asking
from gptoss_tui.app.chats import Chats
from gptoss_tui.app.clipboard import to_tmux
from gptoss_tui.app.confirming import Confirming
from gptoss_tui.app.feeds import Feeds
from gptoss_tui.app.in_app import in_app
from gptoss_tui.app.leaving import Leaving
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.notices import ERROR_S, SAID_S, Notices
from gptoss_tui.app.opening import Opening
from gptoss_tui.app.palette import AppCommands
from gptoss_tui.app.preemption import Preemption
from gptoss_tui.app.screens.boxes import BoxesScreen
from gptoss_tui.app.settings import Settings
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.instance import Endpoint, Notice
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.repair.types import RepairResult
from gptoss_tui.errors import ChangedHostKeyError, GptossError
from gptoss_tui.remote.fleet_port import BoxEntry, FleetPort
from gptoss_tui.remote.target import parse_target
from gptoss_tui.state.debug_log import internal
from gptoss_tui.state.files import write_private
from gptoss_tui.state.paths import paths


class GptossApp(App[None]):
    """`fleet` is owned by the entry point; `clock` tells our own time (UTC)."""

    TITLE = "gptoss-tui"
    CSS_PATH = "app.tcss"
    COMMANDS = App.COMMANDS | {AppCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "toggle_help", "Keys", show=False, id="app.help"),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True, show=False),
        Binding("q", "back", "Back", id="app.back"),
    ]

    def __init__(
        self,
        fleet: FleetPort,
        *,
        demo: bool = False,
        clock: Callable[[], datetime] | None = None,
        drain_on_preemption: bool = False,
    ) -> None:
        super().__init__()
        self.fleet = fleet
        self.demo = demo
        self.clock = clock or (lambda: datetime.now(UTC))
        self.models: dict[str, BoxModel] = {}
        self.feeds = Feeds(self, fleet)
        self.chats = Chats(self)
        self.asking = fleet.prompter = Asking(self)
        self.leaving = Leaving(self)
        self.confirming = Confirming(self)
        self.opening = Opening(self)
        self.preemption = Preemption(self, drains=drain_on_preemption)
        self.notices = Notices(self)
        self.sub_title = "read-only" if fleet.read_only else ""
        self._untap: Callable[[], None] = lambda: None
        self._unread = ""
        self.settings = Settings(self)

    def get_default_screen(self) -> Screen[None]:
        return BoxesScreen()

    def on_mount(self) -> None:
        self._untap = self.fleet.hub.tap(self._tapped)
        self.settings.watch()
        for problem in self.settings.problems:
            self.tell(problem, "warning")

    def on_ready(self) -> None:
        """The first picture is there: load what connecting needs before it is asked for."""
        self.run_worker(self._prepare(), group="prepare", exit_on_error=False)

    async def _prepare(self) -> None:
        await self.fleet.prepare()
        gc.freeze()  # what is loaded by now stays: the collector need not walk it again and again
        gc.set_threshold(10_000, 20, 50)  # a full walk takes as long as three pictures
        gc.enable()

    def on_unmount(self) -> None:
        self._untap()

    def model(self, box: str) -> BoxModel:
        if box not in self.models:
            self.models[box] = BoxModel(box)
        model = self.models[box]
        if model.ssh_target is None and (there := self.fleet.box(box)) is not None:
            model.ssh_target = there.ssh_target
        return model

    def candidates(self) -> tuple[BoxEntry, ...]:
        """Who can be chosen: nobody where our own list cannot be read, which is said once."""
        try:
            return self.fleet.candidates()
        except GptossError as error:
            if str(error) != self._unread:
                self._unread = str(error)
                self.show_error(error, "read the list of boxes")
            return ()

    # --- facts come down ------------------------------------------------------------------------

    def _tapped(self, fact: AnyFact) -> None:
        self.post_message(said.FactArrived(fact))

    @on(said.FactArrived)
    def _fact_arrived(self, message: said.FactArrived) -> None:
        if not self.is_running:
            return  # on the way out: the screens are being taken apart
        fact = message.fact
        model = self.model(fact.box)
        model.apply(fact)
        places = self.screen_stack
        self.preemption.seen(fact)
        if self.screen_stack != places:  # it asks; what it has just said is not shown yet
            self.call_later(self.notices.supersede, fact.box)
        if isinstance(fact.body, Notice):
            self.tell(fact.body.text, "information" if fact.body.ok else "error")
        elif isinstance(fact.body, Endpoint):
            self._endpoint(fact.instance or "", fact.body)
        elif isinstance(fact.body, LaunchProgress):
            self.leaving.seen(fact.body)
        elif isinstance(fact.body, RepairResult) and self.screen.id != "repair":
            self.tell(fact.body.text, "information" if fact.body.fixed else "error")
        self._show("show_fact", model, fact)

    def _endpoint(self, instance: str, endpoint: Endpoint) -> None:
        where = f"open at {endpoint.base_url}" if endpoint.base_url else "no longer open"
        self.tell(f"{instance} is {where} on this machine.")

    @on(said.ActionFailed)
    def _action_failed(self, message: said.ActionFailed) -> None:
        for screen in self.screen_stack:
            refused = getattr(screen, "show_failure", None)
            if refused is not None and refused(message):
                return
        if isinstance(message.error, ChangedHostKeyError) and message.box is not None:
            self.asking.changed_key(message.box, message.error)
            return
        self.show_error(message.error, message.doing)

    def show_error(self, error: GptossError, doing: str = "") -> None:
        """A failure as a sentence and the next step."""
        text = "\n".join(filter(None, (error.message, in_app(error.next_step))))
        self.notify(text, title=doing, severity="error", timeout=ERROR_S, markup=False)

    def tell(self, text: str, severity: Any = "information") -> None:
        self.notify(text, severity=severity, timeout=SAID_S, markup=False)

    def refuse_read_only(self, what: str) -> bool:
        """Whether this session may change nothing; says so at once, before anything is asked."""
        if self.fleet.read_only:
            self.tell(f"This is a read-only session: nothing can be {what}.", "warning")
        return self.fleet.read_only

    def _on_notify(self, event: Notify) -> None:
        if self.notices.hold(event.notification):
            event.prevent_default()

    # --- intents go up --------------------------------------------------------------------------

    @on(said.ConnectRequested)
    def _connect(self, message: said.ConnectRequested) -> None:
        self.feeds.connect(message.box)

    @on(said.HostKeyAsked)
    def _host_key_asked(self, message: said.HostKeyAsked) -> None:
        self.asking.unknown_key(message)

    @on(said.PromptAsked)
    def _prompt_asked(self, message: said.PromptAsked) -> None:
        self.asking.show(message)

    def wrong_line(self, line: str) -> str:
        """What is wrong with an ssh line that was pasted; nothing when it can be added."""
        try:
            parse_target(line)
        except GptossError as error:
            return str(error)
        return ""

    @on(said.BoxAdded)
    def _box_added(self, message: said.BoxAdded) -> None:
        try:
            entry = self.fleet.add(message.line)
        except GptossError as error:
            self.show_error(error, "add a box")
            return
        self.refresh_boxes(entry.name)
        self.feeds.connect(entry.name)

    @on(said.ForgetRequested)
    def _forget(self, message: said.ForgetRequested) -> None:
        self.confirming.forget(message)

    def refresh_boxes(self, chosen: str | None = None) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, BoxesScreen):
                screen.reload(chosen)

    @on(said.LookRequested)
    def _look(self, message: said.LookRequested) -> None:
        self.feeds.look(message.box)

    @on(said.DashboardRequested)
    def _dashboard(self, message: said.DashboardRequested) -> None:
        self.opening.dashboard(message)

    @on(said.WizardRequested)
    def _wizard(self, message: said.WizardRequested) -> None:
        self.opening.wizard(message)

    @on(said.UpgradeRequested)
    def _upgrade(self, message: said.UpgradeRequested) -> None:
        self.opening.upgrade(message)

    @on(said.RepairsRequested)
    def _repairs(self, message: said.RepairsRequested) -> None:
        self.opening.repairs(message)

    @on(said.SurveyRequested)
    def _survey(self, message: said.SurveyRequested) -> None:
        self.feeds.survey(message.box)

    @on(said.RepairRequested)
    def _repair(self, message: said.RepairRequested) -> None:
        self.feeds.repair(message.box, message.repair)

    @on(said.LogsRequested)
    def _logs(self, message: said.LogsRequested) -> None:
        self.feeds.follow_logs(message.box, message.instance)

    @on(said.EngineWatchRequested)
    def _watch_engine(self, message: said.EngineWatchRequested) -> None:
        self.feeds.watch_engine(message.box, message.instance)

    @on(said.ChatRequested)
    def _chat(self, message: said.ChatRequested) -> None:
        self.chats.ask(message)

    @on(said.ChatStopRequested)
    def _stop_chat(self, message: said.ChatStopRequested) -> None:
        self.chats.stop(message.box, message.instance)

    @on(said.ChatFailed)
    def _chat_failed(self, message: said.ChatFailed) -> None:
        self.chats.failed(message)

    @on(said.WatchFailed)
    def _watch_failed(self, message: said.WatchFailed) -> None:
        model = self.model(message.box)
        model.watch_errors[message.instance, message.part] = in_app(str(message.error))
        self._show("show_watch_error", model, message.instance)

    def show_chat(self, model: BoxModel, instance: str) -> None:
        """A conversation changed in a way that no fact tells."""
        self._show("show_chat", model, instance)

    def _show(self, what: str, model: BoxModel, *news: Any) -> None:
        """Every place that shows such news gets them, also those behind the one in front."""
        for screen in self.screen_stack:
            show = getattr(screen, what, None)
            if show is not None and screen.is_mounted:
                show(model, *news)

    @on(said.LaunchRequested)
    def _launch(self, message: said.LaunchRequested) -> None:
        self.opening.launched(message)
        self.feeds.launch(message)

    @on(said.LaunchWatchRequested)
    def _watch_launch(self, message: said.LaunchWatchRequested) -> None:
        self.opening.launch(message)
        self.feeds.watch_launch(message.box, message.launch_id)

    @on(said.CancelLaunchRequested)
    def _cancel_launch(self, message: said.CancelLaunchRequested) -> None:
        self.confirming.cancel(message)

    @on(said.StopRequested)
    def _stop(self, message: said.StopRequested) -> None:
        self.confirming.stop(message)

    @on(said.ForwardRequested)
    def _forward(self, message: said.ForwardRequested) -> None:
        self.feeds.forwards.toggle(message.box, message.instance)

    @on(said.CopyRequested)
    async def _copy(self, message: said.CopyRequested) -> None:
        self.copy_to_clipboard(message.text)
        tmux = await to_tmux(message.text)
        self.tell(f"Copied: {message.what}" + (" (also into tmux: prefix ])" if tmux else ""))

    @on(said.PageRequested)
    def _page(self, message: said.PageRequested) -> None:
        self.opening.page(message)

    @on(said.SaveRequested)
    def _save(self, message: said.SaveRequested) -> None:
        stem = "".join(c if c.isalnum() or c in "-_." else "-" for c in message.title)[:60]
        file = paths().saved_pages / f"{self.clock():%Y%m%d-%H%M%S}-{stem}.txt"
        try:
            write_private(file, message.text + "\n")
        except GptossError as error:
            self.show_error(error, "save")
            return
        self.tell(f"Saved as {file}")

    def _fatal_error(self) -> None:
        """Textual's own would print a traceback with the values of all variables: secrets too."""
        error = self._exception or RuntimeError("unknown")
        failure = internal(error, paths().debug_log)
        self._exit_renderables.append(Segments([Segment(f"gptoss-tui: {failure}\n")]))
        self._close_messages_no_wait()

    # --- places ---------------------------------------------------------------------------------

    def go(self, place: Screen[None]) -> None:
        """Show this place."""
        self.notices.dismiss()
        self.push_screen(place)

    def push_screen(self, screen: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(screen, ModalScreen):
            self.notices.hold_shown()
        return super().push_screen(screen, *args, **kwargs)

    def pop_screen(self) -> AwaitComplete:
        popped = super().pop_screen()
        self.notices.flush()
        return popped

    def action_toggle_help(self) -> None:
        from gptoss_tui.app.screens.keys import KeysScreen, keys_of

        if not isinstance(self.screen, KeysScreen):
            self.push_screen(KeysScreen(keys_of(self.screen)))

    async def action_back(self) -> None:
        """Leave this place; from the first one, the app."""
        if isinstance(self.screen, BoxesScreen):
            await self.action_quit()
        else:
            self.pop_screen()
            here = self.screen  # the page about a chosen box tells what its provider does with it
            self.notices.dismiss(here.chosen if isinstance(here, BoxesScreen) else None)

    async def action_quit(self) -> None:
        """Ask while a launch is under way; quitting never stops a server."""
        self.leaving.ask()
