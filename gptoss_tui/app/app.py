"""The Textual app: takes facts in, routes intents, shows failures as sentences."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType

from gptoss_tui.app import messages as said
from gptoss_tui.app.clipboard import to_tmux
from gptoss_tui.app.feeds import Feeds
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.palette import AppCommands
from gptoss_tui.app.screens.boxes import BoxesScreen
from gptoss_tui.app.screens.dialogs import AskDialog, Choice
from gptoss_tui.app.theming import DEFAULT, load_themes
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.instance import Notice
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.errors import GptossError, UsageError
from gptoss_tui.remote.fleet_port import FleetPort
from gptoss_tui.state.files import write_private
from gptoss_tui.state.paths import paths, theme_dirs


class GptossApp(App[None]):
    """`fleet` is owned by the entry point; `clock` tells our own time (UTC)."""

    TITLE = "gptoss-tui"
    CSS_PATH = "app.tcss"
    COMMANDS = App.COMMANDS | {AppCommands}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "toggle_help", "Keys", key_display="?", id="app.help"),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True),
        Binding("q", "back", "Back", id="app.back"),
    ]

    def __init__(
        self,
        fleet: FleetPort,
        *,
        demo: bool = False,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__()
        self.fleet = fleet
        self.demo = demo
        self.clock = clock or (lambda: datetime.now(UTC))
        self.models: dict[str, BoxModel] = {}
        self.feeds = Feeds(self, fleet)
        self._own_launches: dict[str, str] = {}
        self._untap: Callable[[], None] = lambda: None

    def on_mount(self) -> None:
        self._untap = self.fleet.hub.tap(self._tapped)
        themes, problems = load_themes(theme_dirs())
        for theme in themes:
            self.register_theme(theme)
        if any(theme.name == DEFAULT for theme in themes):
            self.theme = DEFAULT
        for problem in problems:
            self.notify(problem, severity="warning", markup=False)
        self.push_screen(BoxesScreen())

    def on_unmount(self) -> None:
        self._untap()

    def model(self, box: str) -> BoxModel:
        if box not in self.models:
            self.models[box] = BoxModel(box)
        return self.models[box]

    # --- facts come down ------------------------------------------------------------------------

    def _tapped(self, fact: AnyFact) -> None:
        self.post_message(said.FactArrived(fact))

    @on(said.FactArrived)
    def _fact_arrived(self, message: said.FactArrived) -> None:
        fact = message.fact
        model = self.model(fact.box)
        model.apply(fact)
        if isinstance(fact.body, Notice):
            self.tell(fact.body.text, "information" if fact.body.ok else "error")
        for screen in self.screen_stack:
            show = getattr(screen, "show_fact", None)
            if show is not None and screen.is_mounted:
                show(model, fact)

    @on(said.ActionFailed)
    def _action_failed(self, message: said.ActionFailed) -> None:
        for screen in self.screen_stack:
            refused = getattr(screen, "show_failure", None)
            if refused is not None and refused(message):
                return
        self.show_error(message.error, message.doing)

    def show_error(self, error: GptossError, doing: str = "") -> None:
        """A failure as a sentence and the next step."""
        text = error.message if not error.next_step else f"{error.message}\n{error.next_step}"
        self.notify(text, title=doing, severity="error", timeout=12, markup=False)

    def tell(self, text: str, severity: Any = "information") -> None:
        self.notify(text, severity=severity, markup=False)

    # --- intents go up --------------------------------------------------------------------------

    @on(said.ConnectRequested)
    def _connect(self, message: said.ConnectRequested) -> None:
        self.feeds.connect(message.box)

    @on(said.HostKeyAsked)
    def _host_key_asked(self, message: said.HostKeyAsked) -> None:
        error = message.error
        dialog = AskDialog(
            "Unknown host",
            f"{error.message}\n\n{error.next_step}",
            (Choice("accept", "a", "Accept"), Choice("refuse", "r", "Refuse")),
        )

        def decided(choice: str | None) -> None:
            if choice == "accept":
                self.fleet.accept_host_key(error)
                self.feeds.connect(message.box)

        self.push_screen(dialog, decided)

    @on(said.BoxAdded)
    def _box_added(self, message: said.BoxAdded) -> None:
        try:
            entry = self.fleet.add(message.line)
        except (UsageError, GptossError) as error:
            self.show_error(error, "add a box")
            return
        self.refresh_boxes()
        self.feeds.connect(entry.name)

    @on(said.BoxForgotten)
    def _box_forgotten(self, message: said.BoxForgotten) -> None:
        self.fleet.forget(message.box)
        self.feeds.disconnect(message.box)
        self.models.pop(message.box, None)
        self.refresh_boxes()

    def refresh_boxes(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, BoxesScreen):
                screen.reload()

    @on(said.LookRequested)
    def _look(self, message: said.LookRequested) -> None:
        self.feeds.look(message.box)

    @on(said.DashboardRequested)
    def _dashboard(self, message: said.DashboardRequested) -> None:
        from gptoss_tui.app.screens.dashboard import DashboardScreen

        self.push_screen(DashboardScreen(self.model(message.box), message.instance))

    @on(said.WizardRequested)
    def _wizard(self, message: said.WizardRequested) -> None:
        from gptoss_tui.app.screens.wizard import WizardScreen

        model = self.model(message.box)
        if self.fleet.read_only:
            self.tell("This is a read-only session: nothing can be launched.", "warning")
        elif model.report is None:
            self.tell("The box has not been looked at yet: connect first (enter).", "warning")
        else:
            self.push_screen(WizardScreen(model))

    @on(said.LogsRequested)
    def _logs(self, message: said.LogsRequested) -> None:
        if message.instance is not None:
            self.model(message.box).logs.pop(message.instance, None)
        self.feeds.follow_logs(message.box, message.instance)

    @on(said.EngineWatchRequested)
    def _watch_engine(self, message: said.EngineWatchRequested) -> None:
        self.feeds.watch_engine(message.box, message.instance)

    @on(said.ChatRequested)
    def _chat(self, message: said.ChatRequested) -> None:
        self.feeds.chat(message)

    @on(said.ChatStopRequested)
    def _stop_chat(self, message: said.ChatStopRequested) -> None:
        self.feeds.stop_chat(message.box)

    @on(said.LaunchRequested)
    def _launch(self, message: said.LaunchRequested) -> None:
        from gptoss_tui.app.screens.launch import LaunchScreen

        self._own_launches[message.spec.launch_id] = message.box
        self.pop_screen()
        self.push_screen(LaunchScreen(self.model(message.box), message.spec))
        self.feeds.launch(message)

    @on(said.LaunchWatchRequested)
    def _watch_launch(self, message: said.LaunchWatchRequested) -> None:
        from gptoss_tui.app.screens.launch import LaunchScreen

        self.push_screen(LaunchScreen(self.model(message.box), None, message.launch_id))
        self.feeds.watch_launch(message.box, message.launch_id)

    @on(said.CancelLaunchRequested)
    def _cancel_launch(self, message: said.CancelLaunchRequested) -> None:
        self.feeds.cancel(message.box, message.launch_id)

    @on(said.StopRequested)
    def _stop(self, message: said.StopRequested) -> None:
        dialog = AskDialog(
            "Stop a server",
            f"Stop {message.instance} on {message.box} and remove its container?\n"
            "Running requests get 60 s to end; what was downloaded stays.",
            (Choice("stop", "s", "Stop it"), Choice("keep", "k", "Keep it")),
        )

        def decided(choice: str | None) -> None:
            if choice == "stop":
                self.feeds.stop(message.box, message.instance)

        self.push_screen(dialog, decided)

    @on(said.ForwardRequested)
    def _forward(self, message: said.ForwardRequested) -> None:
        if not self.feeds.forward(message.box, message.instance):
            self.tell(f"{message.instance} is no longer open on this machine.")

    @on(said.CopyRequested)
    async def _copy(self, message: said.CopyRequested) -> None:
        self.copy_to_clipboard(message.text)
        tmux = await to_tmux(message.text)
        self.tell(f"Copied: {message.what}" + (" (also into tmux: prefix ])" if tmux else ""))

    @on(said.PageRequested)
    def _page(self, message: said.PageRequested) -> None:
        from gptoss_tui.app.screens.page import PageScreen

        self.push_screen(PageScreen(message.title, message.text))

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

    # --- leaving --------------------------------------------------------------------------------

    def action_toggle_help(self) -> None:
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    async def action_back(self) -> None:
        """Leave this place; from the first one, the app."""
        if isinstance(self.screen, BoxesScreen) or len(self.screen_stack) <= 2:
            await self.action_quit()
        else:
            self.pop_screen()

    async def action_quit(self) -> None:
        """Ask while a launch is under way; quitting never stops a server."""
        running = [launch for launch in self._running_launches()]
        if not running:
            self.exit()
            return
        names = ", ".join(progress.name for _, progress in running)
        dialog = AskDialog(
            "A launch is under way",
            f"{names} is being launched. It goes on by itself on the box, whoever is connected.",
            (
                Choice("continue", "c", "Quit, let it go on"),
                Choice("cancel", "x", "Cancel the launch"),
                Choice("stay", "s", "Stay here"),
            ),
        )

        def decided(choice: str | None) -> None:
            if choice == "continue":
                self.exit()
            elif choice == "cancel":
                for box, progress in running:
                    self.feeds.cancel(box, progress.launch_id)

        self.push_screen(dialog, decided)

    def _running_launches(self) -> list[tuple[str, LaunchProgress]]:
        found: list[tuple[str, LaunchProgress]] = []
        for launch_id, box in self._own_launches.items():
            with suppress(KeyError):
                progress = self.model(box).launches[launch_id].body
                if progress.state == "running":
                    found.append((box, progress))
        return found
