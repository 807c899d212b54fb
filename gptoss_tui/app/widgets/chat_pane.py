"""A smoke conversation: reasoning and answer apart, with the client's own measurements."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from gptoss_tui.app.conversation import Turn
from gptoss_tui.app.widgets.field import Field
from gptoss_tui.domain.chat import Effort

PROMPTS = (
    "Say hello in one sentence.",
    "Explain MXFP4 quantization in one paragraph.",
    "Count from 1 to 10.",
)
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")
FLUSH_S = 0.1  # drawing each token would cost more than receiving it


def turn_content(turn: Turn, reasoning: bool) -> Content:
    """One turn as it is drawn. Foreign text is never read as markup."""
    parts: list[Content | tuple[str, str] | str] = [("you  ", "$primary bold"), turn.prompt]
    if turn.reasoning and reasoning:
        parts.append((f"\n{turn.reasoning}", "$foreground 55% italic"))
    elif turn.reasoning:
        parts.append((f"\n(reasoning: {len(turn.reasoning)} characters)", "$foreground 55%"))
    if turn.answer:
        parts.append(f"\n{turn.answer}")
    parts.append((f"\n{turn.end}", "$foreground 60%"))
    return Content.assemble(*parts)


class ChatPane(Vertical):
    """Draws the turns it is given; asks and stops by messages."""

    DEFAULT_CSS = """
    ChatPane { background: $surface; }
    ChatPane #turns { height: 1fr; }
    ChatPane .turn { margin-bottom: 1; }
    ChatPane Input { height: 1; border: none; background: $panel; padding: 0 1; }
    ChatPane Input:focus { border: none; background: $block-cursor-background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", show=False, id="chat.leave"),
        # Before the field, so that a key right behind it is the place's already.
        Binding("ctrl+g", "leave", "Leave chat", id="chat.leave-too", priority=True),
        Binding("ctrl+x", "stop", "Stop answer", id="chat.stop", priority=True),
        Binding("ctrl+e", "effort", "Effort", id="chat.effort", priority=True),
        Binding("ctrl+t", "reasoning", "Reasoning", id="chat.reasoning"),
        Binding("ctrl+y", "copy", "Copy answer", id="chat.copy"),
        Binding("f1", "ask(0)", show=False, id="chat.first"),
        Binding("f2", "ask(1)", show=False, id="chat.second"),
        Binding("f3", "ask(2)", show=False, id="chat.third"),
    ]

    class Asked(Message):
        """The user asks; the screen knows which server."""

        def __init__(self, prompt: str, effort: Effort) -> None:
            super().__init__()
            self.prompt = prompt
            self.effort = effort

    class Stopped(Message):
        """The user wants no more of the answer."""

    class EffortChanged(Message):
        """The title shows the effort."""

    class CopyAnswer(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__()
        self.effort: Effort = "medium"
        self._turns: tuple[Turn, ...] = ()
        self._drawn: list[tuple[Turn, Static]] = []
        self._reasoning = True
        self._due = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="turns"):
            yield Static(Content(_hint()), id="hint", markup=False)
        yield Field(placeholder="Ask the model: enter sends, ctrl+g leaves", id="prompt")

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What is shown, or will be with the next flush."""
        return self._turns

    def show(self, turns: tuple[Turn, ...]) -> None:
        """Draw these turns; soon, where only the last one grew."""
        grown = len(turns) == len(self._drawn) > 0 and turns[:-1] == self._turns[:-1]
        self._turns = turns
        if not grown:
            self._draw()
        elif not self._due:
            self._due = True
            self.set_timer(FLUSH_S, self._draw)

    def _draw(self) -> None:
        self._due = False
        shared = 0
        for (drawn, _), turn in zip(self._drawn, self._turns, strict=False):
            if drawn.prompt != turn.prompt:
                break
            shared += 1
        for _, gone in self._drawn[shared:]:
            gone.remove()
        del self._drawn[shared:]
        place = self.query_one("#turns", VerticalScroll)
        for at, turn in enumerate(self._turns):
            if at < shared:
                drawn, widget = self._drawn[at]
                if drawn != turn:
                    widget.update(turn_content(turn, self._reasoning))
                self._drawn[at] = (turn, widget)
            else:
                widget = Static(turn_content(turn, self._reasoning), classes="turn", markup=False)
                place.mount(widget)
                place.anchor()
                self._drawn.append((turn, widget))
        self.query_one("#hint").display = not self._turns

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._ask(event.value)

    def action_ask(self, number: int) -> None:
        self._ask(PROMPTS[number])

    def _ask(self, prompt: str) -> None:
        if prompt.strip():
            self.post_message(self.Asked(prompt, self.effort))

    def clear_prompt(self) -> None:
        """The question was taken."""
        self.query_one(Input).clear()

    def action_leave(self) -> None:
        """The keys are the place's again; what was said stays in view, and can be scrolled."""
        self.screen.set_focus(self.query_one("#turns"))

    def action_stop(self) -> None:
        self.post_message(self.Stopped())

    def action_effort(self) -> None:
        self.effort = EFFORTS[(EFFORTS.index(self.effort) + 1) % len(EFFORTS)]
        self.post_message(self.EffortChanged())

    def action_reasoning(self) -> None:
        self._reasoning = not self._reasoning
        for turn, widget in self._drawn:
            widget.update(turn_content(turn, self._reasoning))

    def action_copy(self) -> None:
        if self._turns:
            self.post_message(self.CopyAnswer(self._turns[-1].answer))


def _hint() -> str:
    lines = [f"f{number}  {prompt}" for number, prompt in enumerate(PROMPTS, 1)]
    return "Type a question below, or send one of these smoke prompts:\n" + "\n".join(lines)
