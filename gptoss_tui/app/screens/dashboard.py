"""The place *Dashboard*: one box live — GPUs, engine, servers with their log, chat."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Static

from gptoss_tui.app.boxes_text import link_text
from gptoss_tui.app.dashboard_text import (
    ages,
    gpu_view,
    server_row,
    spot_line,
    stop_line,
    tabs_line,
)
from gptoss_tui.app.messages import (
    CopyRequested,
    EngineWatchRequested,
    ForwardRequested,
    LaunchWatchRequested,
    LogsRequested,
    PageRequested,
    StopRequested,
    UpgradeRequested,
    WizardRequested,
)
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.screens.chat_panel import ChatPanel
from gptoss_tui.app.together import Together
from gptoss_tui.app.widgets.engine_pane import EnginePane, EngineView, engine_view
from gptoss_tui.app.widgets.gpu_pane import GpuPane
from gptoss_tui.app.widgets.keys_footer import KeysFooter
from gptoss_tui.app.widgets.log_view import LogView
from gptoss_tui.app.widgets.pane import Pane
from gptoss_tui.app.widgets.server_list import ServerList
from gptoss_tui.domain.chat import ChatDelta, ChatDone
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.instance import Endpoint, Instance, InstanceList, LogLine
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.render import base_url, openai_env
from gptoss_tui.domain.serving import EngineSnapshot

PANES = ("pane-gpus", "pane-engine", "pane-servers", "pane-chat")
_WIDE, _HIGH = 110, 32
_NO_SERVER = "No server runs here. w launches one."


class DashboardScreen(Screen[None]):
    """Panes are pure functions of what this screen assigns; one fact is one assignment."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"pane({number})", name, show=False, id=f"dash.pane-{number}")
            for number, name in enumerate(("GPUs", "Engine", "Servers and log", "Chat pane"), 1)
        ),
        # The footer of a narrow screen has the first of these.
        Binding("c", "chat", "Chat", id="dash.chat"),
        Binding("w", "wizard", "Launch", id="dash.wizard"),
        Binding("s", "stop", "Stop", id="dash.stop"),
        Binding("v", "upgrade", "Upgrade", id="dash.upgrade"),
        Binding("o", "forward", "Open", id="dash.forward"),
        Binding("p", "page", "Log", id="dash.page"),
        Binding("l", "launch", "Timeline", id="dash.launch"),
        Binding("u", "copy_url", "Copy URL", id="dash.url"),
        Binding("z", "zoom", "Zoom", id="dash.zoom"),
        Binding("q", "app.back", "Back", id="dash.back"),
    ]

    def __init__(self, model: BoxModel, instance: str | None = None, pane: int = 1) -> None:
        super().__init__()
        self._model = model
        self._watched: str | None = None
        self._wanted = instance
        self._shown = pane
        self._zoomed = False
        self._unlisted = True  # no list of servers has come yet
        self._figures = Together(self._draw, self.set_timer)

    @property
    def box_name(self) -> str:
        return self._model.name

    @property
    def instance(self) -> str | None:
        """The server that engine, log and chat are about."""
        return self._watched

    @property
    def _app(self) -> Any:
        return self.app

    def compose(self) -> ComposeResult:
        yield Static(id="spot", classes="banner", markup=False)
        yield Static(id="stopping", classes="banner", markup=False)
        yield Static(id="tabs", markup=False)
        with Horizontal(id="grid"):
            with Vertical(id="left", classes="column"):
                yield Pane(1, "GPUs", GpuPane(), id="pane-gpus")
                servers, log = ServerList(id="servers"), LogView(id="log")
                yield Pane(3, "Servers and log", servers, log, id="pane-servers")
            with Vertical(id="right", classes="column"):
                yield Pane(2, "Engine", EnginePane(), id="pane-engine")
                yield ChatPanel(4, self._model, id="pane-chat")
        yield KeysFooter()

    def on_mount(self) -> None:
        self.query_one(LogView).replace((), "No server is chosen.")
        self._fit(self.app.size)
        self.set_interval(1.0, self._age)
        self._all()
        self.action_pane(self._shown)

    def on_resize(self, event: Resize) -> None:
        self._fit(event.size)

    def _fit(self, size: Size) -> None:
        """One pane at a time, where four would be crowded."""
        self.set_class(self._zoomed or not _holds_all(size), "-single")
        self._arrange()

    # --- facts ----------------------------------------------------------------------------------

    def show_fact(self, model: BoxModel, fact: AnyFact) -> None:
        if model.name != self.box_name:
            return
        body = fact.body
        if isinstance(body, GpuSnapshot):
            self._figures.add("gpus")
        elif isinstance(body, InstanceList):
            self._servers(body.instances)
        elif isinstance(body, Draining | LaunchProgress) and model.instances is not None:
            self._servers(model.instances.body.instances)
        elif fact.instance is not None and fact.instance == self._watched:
            self._about_watched(fact.instance, body)
        self._age()

    def _about_watched(self, name: str, body: Any) -> None:
        if isinstance(body, EngineSnapshot):
            self._figures.add("engine")
        elif isinstance(body, LogLine):
            self.query_one(LogView).add([body.text])
        elif isinstance(body, Endpoint):
            self._show_endpoint(name)
        elif isinstance(body, ChatDelta | ChatDone):
            self.query_one(ChatPanel).show_turns()

    def _draw(self, news: frozenset[str]) -> None:
        if "gpus" in news:
            self._gpus()
        if "engine" in news and self._watched is not None:
            self._engine(self._watched)

    def _show_endpoint(self, name: str | None) -> None:
        opened = self._model.endpoints.get(name or "")
        self.query_one("#pane-servers", Pane).hint = f"open: {opened}" if opened else ""

    def show_chat(self, model: BoxModel, instance: str) -> None:
        """A conversation began an answer, or gave a question back."""
        if model.name == self.box_name and instance == self._watched:
            self.query_one(ChatPanel).show_turns(restored=True)

    def show_watch_error(self, model: BoxModel, instance: str) -> None:
        """Why engine or log of a server cannot be followed."""
        if model.name == self.box_name and instance == self._watched:
            self._engine(instance)
            self.query_one(LogView).say(self._log_words(instance))

    def _log_words(self, name: str) -> str:
        """What stands where no line of the log is."""
        return self._model.watch_errors.get((name, "log"), f"Waiting for the log of {name}…")

    def _all(self) -> None:
        self._gpus()
        if self._model.instances is not None:
            self._servers(self._model.instances.body.instances)
        self._age()

    def _gpus(self) -> None:
        self.query_one(GpuPane).view = gpu_view(self._model)
        snapshot = self._model.gpus
        detail = f"{len(snapshot.body.gpus)} on {self.box_name}" if snapshot else self.box_name
        self.query_one("#pane-gpus", Pane).detail = detail

    def _engine(self, name: str) -> None:
        fact = self._model.engines.get(name)
        error = self._model.watch_errors.get((name, "engine"), "")
        if fact is None:
            view = EngineView(note=error or f"Waiting for the first figures of {name}…")
        else:
            view = engine_view(fact.body, self._model.engine_history[name], error)
        self.query_one(EnginePane).view = view

    def _age(self) -> None:
        """How old the data of each pane is, where it is old: at once while the box is not heard."""
        now = self._app.clock()
        link = self._model.link
        old = ages(self._model, self._watched, now)
        self.query_one("#pane-gpus", Pane).age_s = old.gpus
        self.query_one("#pane-engine", Pane).age_s = old.engine
        self.query_one("#pane-servers", Pane).age_s = old.servers
        hint = f"connection {link_text(link)[2:]}" if link and link.phase != "up" else ""
        self.query_one("#pane-gpus", Pane).hint = hint
        self._banner("#spot", spot_line(self._model, now))
        self._banner("#stopping", stop_line(self._model, self._stopping()))

    def _stopping(self) -> dict[str, bool]:
        """The servers of this box whose stop was said yes to, and whether they are started again."""
        stopping = self._app.feeds.stopping.items()
        return {name: stop.restart for (box, name), stop in stopping if box == self.box_name}

    def _banner(self, name: str, line: str) -> None:
        """A line above the panes, in sight whichever of them is shown."""
        banner = self.query_one(name, Static)
        banner.set_class(bool(line), "-shown")
        if line:
            banner.update(Content(line))

    # --- servers --------------------------------------------------------------------------------

    def _servers(self, listed: tuple[Instance, ...]) -> None:
        rows = {one.name: server_row(self._model, one) for one in listed}
        self.query_one(ServerList).show(rows)
        self._choose(listed)
        self.refresh_bindings()

    def _choose(self, listed: tuple[Instance, ...]) -> None:
        """Keep the watched server while it is there, else take the wanted or the first one."""
        names = [instance.name for instance in listed]
        if self._watched in names:
            return
        wanted = self._wanted if self._wanted in names else (names[0] if names else None)
        if wanted is not None or self._watched is not None or self._unlisted:
            self._unlisted = False
            self._watch(wanted)

    def _watch(self, name: str | None) -> None:
        self._watched = self.query_one(ServerList).watched = name
        self.query_one("#pane-engine", Pane).detail = name or ""
        self.query_one(LogView).replace(
            self._model.logs[name] if name else (),
            self._log_words(name) if name else _NO_SERVER,
        )
        self._show_endpoint(name)
        if name:
            self._engine(name)
        else:
            self.query_one(EnginePane).view = EngineView(note=_NO_SERVER)
        self.query_one(ChatPanel).watch_server(name)
        self.post_message(EngineWatchRequested(self.box_name, name))
        self.post_message(LogsRequested(self.box_name, name))

    @on(ServerList.Chosen)
    def _server_chosen(self, event: ServerList.Chosen) -> None:
        self._wanted = event.name
        if self._wanted != self._watched:
            self._watch(self._wanted)

    # --- panes ----------------------------------------------------------------------------------

    def turn_to(self, instance: str | None, pane: int) -> None:
        """Watch this server, where one is named, with this pane in front."""
        self._wanted = instance or self._wanted
        if self._wanted != self._watched and self._model.instance(self._wanted) is not None:
            self._watch(self._wanted)
        self.action_pane(pane)

    def _arrange(self) -> None:
        shown = PANES[self._shown - 1]
        for name in PANES:
            self.query_one(f"#{name}").set_class(name == shown, "-shown")
        for column in self.query(".column"):
            column.set_class(not column.query(f"#{shown}"), "-empty")
        self.query_one("#tabs", Static).update(tabs_line(self._shown))

    def action_pane(self, number: int) -> None:
        self._shown = number
        self._arrange()
        inner = {1: "GpuPane", 2: "EnginePane", 3: "ServerList", 4: "Input"}[number]
        part = self.query_one(f"#{PANES[number - 1]} {inner}")
        # Never leave the keys with a part that is hidden now.
        self.set_focus(part if part.focusable else None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that could do nothing now are not offered."""
        if action == "zoom":
            return _holds_all(self.size)
        if action == "launch":
            return self._launch_id is not None
        of_server = action in ("stop", "upgrade", "forward", "copy_url", "page")
        return self._watched is not None or not of_server

    def action_zoom(self) -> None:
        focused = self.focused
        for number, name in enumerate(PANES, 1):
            if focused is not None and self.query_one(f"#{name}") in focused.ancestors:
                self._shown = number
        self._zoomed = not self._zoomed
        self._fit(self.size)

    def action_chat(self) -> None:
        self.action_pane(4)

    def action_wizard(self) -> None:
        self.post_message(WizardRequested(self.box_name))

    def action_stop(self) -> None:
        instance = self._model.instance(self._watched)
        if instance is not None and not instance.managed:
            self._app.tell(f"{instance.name} is not ours: it is watched, never stopped.", "warning")
        elif instance is not None:
            self.post_message(StopRequested(self.box_name, instance.name))

    def action_upgrade(self) -> None:
        instance = self._model.instance(self._watched)
        if instance is None:
            return
        if not instance.managed or instance.spec is None:
            self._app.tell(f"{instance.name} is not ours: it is never replaced.", "warning")
        elif instance.state == "launching" or instance.has_ended:
            self._app.tell(f"{instance.name} does not run: launch it anew (w).", "warning")
        else:
            self.post_message(UpgradeRequested(self.box_name, instance.name))

    def action_forward(self) -> None:
        if self._watched is not None:
            self.post_message(ForwardRequested(self.box_name, self._watched))

    def action_copy_url(self) -> None:
        instance = self._model.instance(self._watched)
        if instance is not None and instance.port is not None:
            url = self._model.endpoints.get(instance.name) or base_url(instance.port)
            block = openai_env(url, instance.model or "", instance.needs_api_key)
            self.post_message(CopyRequested(block, "the OPENAI_BASE_URL block"))

    def action_launch(self) -> None:
        if self._launch_id is not None:
            self.post_message(LaunchWatchRequested(self.box_name, self._launch_id))

    @property
    def _launch_id(self) -> str | None:
        """The launch that puts another version in the watched server's place, or that it came from."""
        instance = self._model.instance(self._watched)
        return (self._model.replaced_by(instance) or instance.launch_id) if instance else None

    def action_page(self) -> None:
        log = self.query_one(LogView)
        log.flush()
        if not log.count:
            self._app.tell("There is no log to show yet.", "warning")
            return
        self.post_message(PageRequested(f"log of {self._watched or 'nothing'}", log.text))


def _holds_all(size: Size) -> bool:
    """Whether a screen of this size has room for four panes."""
    return size.width >= _WIDE and size.height >= _HIGH
