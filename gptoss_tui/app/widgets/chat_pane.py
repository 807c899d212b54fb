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
        Binding("escape", "leave", "Leave the field", show=False, id="chat.leave"),
        # Before the field, so that a key right behind it is the place's already.
        Binding("ctrl+g", "leave", "Leave", id="chat.leave-too", priority=True),
        # Its name is not the place's "stop": a footer shows one key for each action.
        Binding("ctrl+x", "stop_answer", "Stop answer", id="chat.stop", priority=True),
        Binding("ctrl+e", "effort", "Effort", id="chat.effort", priority=True),
        Binding("ctrl+t", "reasoning", "Reasoning", id="chat.reasoning"),
        Binding("ctrl+y", "copy", "Copy answer", id="chat.copy"),
        Binding("f2", "ask(0)", "First ready question", show=False, id="chat.first"),
        Binding("f3", "ask(1)", "Second ready question", show=False, id="chat.second"),
        Binding("f4", "ask(2)", "Third ready question", show=False, id="chat.third"),
    ]

    class Asked(Message):
        """The user asks; the screen knows which server."""

        def __init__(self, prompt: str, effort: Effort) -> None:
            super().__init__()
            self.prompt = prompt
            self.effort = effort

    class Written(Message):
        """What stands in the field, which may be left before it is asked."""

        def __init__(self, draft: str) -> None:
            super().__init__()
            self.draft = draft

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
        yield Field(
            placeholder="Ask the model: enter sends",
            id="prompt",
            select_on_focus=False,  # the next letter would replace what was written before
        )

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
        self.refresh_bindings()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._ask(event.value)

    @on(Input.Changed)
    def _written(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Written(event.value))

    def action_ask(self, number: int) -> None:
        self._ask(PROMPTS[number])

    def _ask(self, prompt: str) -> None:
        if prompt.strip():
            self.post_message(self.Asked(prompt, self.effort))

    def taken(self, prompt: str) -> None:
        """The question was taken; what else stands in the field, or was typed since, stays."""
        field = self.query_one(Input)
        field.value = field.value.removeprefix(prompt)

    def restore(self, draft: str) -> None:
        """Put back what was written and not asked."""
        field = self.query_one(Input)
        if draft and not field.value:
            field.value = draft
            field.action_end()

    def action_leave(self) -> None:
        """The keys are the place's again; what was said stays in view, and can be scrolled."""
        self.screen.set_focus(self.query_one("#turns"))

    def action_stop_answer(self) -> None:
        self.post_message(self.Stopped())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of the field are there while one types, those of an answer when there is one."""
        if action in ("leave", "effort"):
            return self.query_one(Input).has_focus
        if action == "stop_answer":
            return bool(self._turns) and self._turns[-1].going_on
        if action == "copy":
            return bool(self._turns) and bool(self._turns[-1].answer)
        return action != "reasoning" or bool(self._turns)

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
    lines = [f"f{number}  {prompt}" for number, prompt in enumerate(PROMPTS, 2)]
    return "Type a question below, or send one of these with its key:\n" + "\n".join(lines)
