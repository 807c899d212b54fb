"""Small questions. Every answer has a key of its own, and Escape is never the only way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key, Resize
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from gptoss_tui.app.widgets.field import Field

_NARROW, _SHORT = 72, 18  # cells: the buttons of four answers, and a question of some lines
_UNHEARD_S = 1.0  # of a question that nobody has asked for
_HEIGHTS = [(0, "-small"), (_SHORT, "-tall")]  # classes by the rows of the screen


@dataclass(frozen=True)
class Choice:
    """An answer: what it returns, the key for it, what its button says."""

    id: str
    key: str
    label: str


class AskDialog(ModalScreen[str]):
    """A question with a few answers; returns the id of the one chosen.

    The last answer is the harmless one: it has the focus, and is what Escape means. All answers are
    always in sight: on a small screen they stand below each other, and the text can be scrolled.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+g", "last", "Close", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
        Binding("up", "scroll_text(-1)", show=False),
        Binding("down", "scroll_text(1)", show=False),
    ]

    def __init__(self, title: str, text: str, choices: tuple[Choice, ...]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._choices = choices

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            with VerticalScroll(id="question", can_focus=False):
                yield Static(Content(self._text))
            with Horizontal(id="buttons"):
                for choice in self._choices:
                    yield Button(Content(f"{choice.label} ({choice.key})"), id=choice.id)

    def on_mount(self) -> None:
        self.query_one("#box").border_title = Content(f" {self._title} ")
        self.query(Button).last().focus()

    def on_resize(self, event: Resize) -> None:
        small = event.size.width < _NARROW or event.size.height < _SHORT
        self.set_class(small, "-small")
        for button in self.query(Button):
            button.compact = small
        around = 3 + len(self._choices) if small else 8  # frame, padding, buttons
        self.query_one("#question").styles.max_height = max(1, event.size.height - around)

    def action_scroll_text(self, direction: int) -> None:
        self.query_one("#question").scroll_relative(y=direction, animate=False)

    def on_key(self, event: Key) -> None:
        for choice in self._choices:
            if event.key == choice.key:
                event.stop()
                self.dismiss(choice.id)
                return

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id or "")

    def action_last(self) -> None:
        self.dismiss(self._choices[-1].id)


class CountdownDialog(AskDialog):
    """A question that must be answered in time: `words` are read each second, as is what is left.

    When the time is over it goes away with the harmless answer. It comes by itself, so `hears` is
    False for a moment: a key that was meant for the place below does no harm.
    """

    hears = False

    def __init__(
        self,
        title: str,
        words: Callable[[], str],
        choices: tuple[Choice, ...],
        left_s: Callable[[], float],
    ) -> None:
        super().__init__(title, words(), choices)
        self._words = words
        self._left_s = left_s

    def on_mount(self) -> None:
        super().on_mount()
        self.app.bell()
        self.set_interval(1.0, self._tick)
        self.set_timer(_UNHEARD_S, self._hear)

    def _hear(self) -> None:
        self.hears = True

    def on_key(self, event: Key) -> None:
        if not self.hears and event.key in {choice.key for choice in self._choices[:-1]}:
            event.stop()
            event.prevent_default()  # Textual calls the one of `AskDialog` too

    def _tick(self) -> None:
        self.query_one("#question > Static", Static).update(Content(self._words()))
        if self._left_s() <= 0 and self.is_current:
            self.action_last()


class AddDialog(ModalScreen[str]):
    """Asks for an ssh line; returns it, or nothing."""

    VERTICAL_BREAKPOINTS = _HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+g", "close", "Close", key_display="ctrl+g")
    ]

    def __init__(self, wrong: Callable[[str], str]) -> None:
        """`wrong` says what is wrong with a line, or nothing."""
        super().__init__()
        self._wrong = wrong

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static("Paste the line that your provider shows, or an address:")
            yield Static(
                "ssh -p 40123 root@1.2.3.4 -i ~/.ssh/key   or   root@1.2.3.4:40123", id="hint"
            )
            yield Field(placeholder="ssh …", id="line")
            yield Static("enter adds it and connects, ctrl+g closes", id="keys")

    def on_mount(self) -> None:
        self.query_one("#box").border_title = " Add a box "

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        """What cannot be read stays, to be mended."""
        wrong = self._wrong(event.value)
        if wrong:
            self.query_one("#keys", Static).update(Content(f"✗ {wrong}"))
        else:
            self.dismiss(event.value)

    def action_close(self) -> None:
        self.dismiss("")


class SecretDialog(ModalScreen[str | None]):
    """Asks for a secret, shown as dots unless it may be seen; returns it, or None when closed."""

    VERTICAL_BREAKPOINTS = _HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+g", "close", "Close", key_display="ctrl+g")
    ]

    class Withdrawn(Message):
        """Nobody waits for the answer any more."""

    def __init__(self, title: str, text: str, *, echo: bool = False) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._echo = echo

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self._text))
            yield Field(password=not self._echo, id="secret")
            yield Static("enter goes on, ctrl+g closes", id="keys")

    def on_mount(self) -> None:
        self.query_one("#box").border_title = Content(f" {self._title} ")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    @on(Withdrawn)
    def action_close(self) -> None:
        self.dismiss(None)
