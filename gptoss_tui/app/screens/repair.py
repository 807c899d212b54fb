"""The place *Repair*: what can be mended on a box, the script of each, and how it goes."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import DataTable, Static

from gptoss_tui.app.in_app import in_app
from gptoss_tui.app.messages import ActionFailed, PageRequested, RepairRequested, SurveyRequested
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.screens.dialogs import AskDialog, Choice
from gptoss_tui.app.widgets.keys_footer import KeysFooter
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.repair.build import Offer, make, offers
from gptoss_tui.domain.repair.types import Repair, RepairLine, RepairResult, Survey
from gptoss_tui.errors import GptossError

_LINES = 500  # of a script's output: what came before is in the log on the box
_NAME_WIDTH = 18
_AROUND = 8  # frame, and the padding of table and cells


class RepairTable(DataTable[Text]):
    """The key that runs the chosen repair is the first one to know."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.go_on", "Run / go on", id="repair.run")
    ]


class RepairScreen(Screen[None]):
    """Shows each script before it runs; runs none without a yes."""

    CSS_PATH = "repair.tcss"  # read when the place is first shown
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "page", "Script as a page", id="repair.page"),
        Binding("r", "look", "Look again", id="repair.look"),
        Binding("pageup", "scroll(-1)", "Up", show=False, id="repair.up"),
        Binding("pagedown", "scroll(1)", "Down", show=False, id="repair.down"),
        Binding("q,escape", "app.back", "Back", key_display="q", id="repair.back"),
    ]

    def __init__(self, model: BoxModel) -> None:
        super().__init__(id="repair")
        self._model = model
        self._survey: Survey | None = None
        self._offers: tuple[Offer, ...] = ()
        self._output: deque[str] = deque(maxlen=_LINES)
        self._under_way: Repair | None = None
        self._ended: Content | None = None  # how the last one went, until it was read

    def compose(self) -> ComposeResult:
        yield RepairTable(id="offers", cursor_type="row", show_header=False)
        with VerticalScroll(id="script", can_focus=False):
            yield Static(id="script-text")
        yield KeysFooter()

    def on_mount(self) -> None:
        table = self.query_one("#offers", DataTable)
        table.border_title = Content(f" Repair {self._model.name} ")
        table.add_column("repair", width=_NAME_WIDTH)
        table.add_column("why", key="why")
        self._draw()
        table.focus()

    def on_resize(self, event: Resize) -> None:
        """The reason takes what is left, so that it is cut with a sign."""
        table = self.query_one("#offers", DataTable)
        why = next(one for key, one in table.columns.items() if key.value == "why")
        why.width, why.auto_width = max(10, event.size.width - _NAME_WIDTH - _AROUND), False
        table.refresh()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that could do nothing now are not offered."""
        if action == "page":
            return self.chosen is not None
        return action != "go_on" or self.chosen is not None or self._ended is not None

    @property
    def chosen(self) -> Offer | None:
        """The offer under the cursor."""
        at = self.query_one("#offers", DataTable).cursor_row
        return self._offers[at] if at < len(self._offers) else None

    # --- facts ----------------------------------------------------------------------------------

    def show_fact(self, model: BoxModel, fact: AnyFact) -> None:
        if model is not self._model:
            return
        body = fact.body
        if isinstance(body, Survey):
            self._survey = body
            self._reload()
        elif isinstance(body, RepairLine):
            self._output.append(body.text)
        elif isinstance(body, RepairResult):
            self._under_way, self._ended = None, _result(body)
        else:
            return
        self._draw()

    def show_failure(self, message: ActionFailed) -> bool:
        """Why a repair did not begin, or broke off, stays to be read; so does a look that failed."""
        waiting = self._under_way is not None or self._survey is None
        if message.box != self._model.name or not waiting:
            return False
        self._under_way = None
        self._ended = Content.assemble(("✗ ", "$error bold"), in_app(str(message.error)))
        self._draw()
        return True

    def _reload(self) -> None:
        """Make the list of offers anew from what was seen last."""
        report = self._model.report
        if self._survey is None or report is None:
            return
        self._offers = offers(report.body, self._survey)
        table = self.query_one("#offers", DataTable)
        table.clear()
        for offer in self._offers:
            table.add_row(Text(offer.name), Text(offer.why, no_wrap=True, overflow="ellipsis"))

    def _made(self) -> Repair | None:
        """The chosen repair, as it would run now. Raises `GptossError`."""
        offer, report = self.chosen, self._model.report
        if offer is None or report is None or self._survey is None:
            return None
        return make(offer.name, report.body, self._survey)

    # --- drawing --------------------------------------------------------------------------------

    @on(DataTable.RowHighlighted)
    def _draw(self) -> None:
        scroll = self.query_one("#script", VerticalScroll)
        going = self._under_way is not None or self._ended is not None
        self.query_one("#script-text", Static).update(self._progress() if going else self._text())
        self.refresh_bindings()
        if going:
            scroll.scroll_end(animate=False)
        else:
            scroll.scroll_home(animate=False)

    def _progress(self) -> Content:
        lines = [Content(line) for line in self._output]
        if self._ended is not None:
            lines += [Content(""), self._ended, Content("enter goes on")]
        else:
            lines.append(Content("… it goes on by itself on the box, whoever listens"))
        return Content("\n").join(lines)

    def _text(self) -> Content:
        if self._survey is None:
            return Content("Asking the box what there is to repair…")
        try:
            made = self._made()
        except GptossError as error:
            return Content.assemble(("✗ ", "$error bold"), in_app(str(error)))
        if made is None:
            return Content("There is nothing here that could be repaired from the app.")
        return describe(made)

    # --- keys -----------------------------------------------------------------------------------

    @on(DataTable.RowSelected)
    def action_go_on(self) -> None:
        """Ask about the chosen one; after one has ended, show the script of the next."""
        if self._under_way is not None:
            return
        if self._ended is not None:
            self._ended = None
            self._output.clear()
            self._draw()
            if self._survey is None:
                self.action_look()
            return
        try:
            made = self._made()
        except GptossError:
            return  # it is on the screen
        if made is not None:
            self._ask(made)

    def _ask(self, made: Repair) -> None:
        def decided(choice: str | None) -> None:
            if choice == "yes" and self._under_way is None:
                self._under_way = made
                self._draw()
                self.post_message(RepairRequested(self._model.name, made))

        text = "\n".join([f"{made.title} on {self._model.name}?", *made.warnings])
        choices = (Choice("yes", "y", "Yes, run it"), Choice("no", "n", "Leave it"))
        self.app.push_screen(AskDialog("Repair", text, choices), decided)

    def action_look(self) -> None:
        if self._under_way is None:
            self.post_message(SurveyRequested(self._model.name))

    def action_page(self) -> None:
        try:
            made = self._made()
        except GptossError:
            return
        if made is not None:
            self.post_message(PageRequested(f"repair {made.name}", made.script))

    def action_scroll(self, direction: int) -> None:
        scroll: Any = self.query_one("#script")
        (scroll.scroll_page_down if direction > 0 else scroll.scroll_page_up)()


def describe(made: Repair) -> Content:
    """All that a person needs for a yes: what it means, whom it hits, every command."""
    lines = [Content.assemble((made.title, "bold"), f". {made.meaning}")]
    lines += [Content.assemble(("▲ ", "$warning"), warning) for warning in made.warnings]
    lines += [Content(f"  {line}") for line in made.preview]
    as_root = " as root (sudo may ask for your password)" if made.root else ""
    lines.append(Content.assemble((f"This runs on the box{as_root}; enter asks first:", "bold")))
    lines.append(Content.assemble((made.script.rstrip(), "$accent")))
    return Content("\n").join(lines)


def _result(body: RepairResult) -> Content:
    sign, colour = ("✓ ", "$success bold") if body.fixed else ("✗ ", "$error bold")
    do = "".join(f"\n{in_app(finding.do)}" for finding in body.remaining if finding.do)
    return Content.assemble((sign, colour), f"{body.text}{do}")
