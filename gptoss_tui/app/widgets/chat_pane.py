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

from gptoss_tui.app.widgets.figures import UNKNOWN, seconds, whole
from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatMessage, ChatRequest, Effort
from gptoss_tui.text import clean

PROMPTS = (
    "Say hello in one sentence.",
    "Explain MXFP4 quantization in one paragraph.",
    "Count from 1 to 10.",
)
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")
FLUSH_S = 0.1  # drawing each token would cost more than receiving it


class ChatTurn(Static):
    """One question with its answer, as it grows. Foreign text is never read as markup."""

    def __init__(self, prompt: str) -> None:
        super().__init__(markup=False)
        self.prompt = prompt
        self.reasoning = ""
        self.answer = ""
        self.end = "…"
        self.show_reasoning = True

    def draw(self) -> None:
        parts: list[Content | tuple[str, str] | str] = [("you  ", "$primary bold"), self.prompt]
        if self.reasoning and self.show_reasoning:
            parts.append((f"\n{self.reasoning}", "$foreground 55% italic"))
        elif self.reasoning:
            parts.append((f"\n(reasoning: {len(self.reasoning)} characters)", "$foreground 55%"))
        if self.answer:
            parts.append(f"\n{self.answer}")
        parts.append((f"\n{self.end}", "$foreground 60%"))
        self.update(Content.assemble(*parts))


class ChatPane(Vertical):
    """Keeps the turns; asks and stops by messages."""

    DEFAULT_CSS = """
    ChatPane { background: $surface; }
    ChatPane #turns { height: 1fr; }
    ChatPane ChatTurn { margin-bottom: 1; }
    ChatPane Input { height: 1; border: none; background: $panel; padding: 0 1; }
    ChatPane Input:focus { border: none; background: $block-cursor-background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+x", "stop", "Stop answer", id="chat.stop"),
        Binding("ctrl+e", "effort", "Effort", id="chat.effort"),
        Binding("ctrl+t", "reasoning", "Reasoning", id="chat.reasoning"),
        Binding("ctrl+y", "copy", "Copy answer", show=False, id="chat.copy"),
        Binding("f1", "ask(0)", show=False),
        Binding("f2", "ask(1)", show=False),
        Binding("f3", "ask(2)", show=False),
    ]

    class Asked(Message):
        """The user asks; the screen knows which server."""

        def __init__(self, request: ChatRequest) -> None:
            super().__init__()
            self.request = request

    class Stopped(Message):
        """The user wants no more of the answer."""

    class CopyAnswer(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__()
        self.effort: Effort = "medium"
        self._turns: list[ChatTurn] = []
        self._streaming = False
        self._dirty = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="turns", can_focus=False):
            yield Static(Content(_hint()), id="hint", markup=False)
        yield Input(placeholder="Ask the model (enter sends, tab leaves)", id="prompt")

    @property
    def turns(self) -> tuple[ChatTurn, ...]:
        return tuple(self._turns)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.ask(event.value)

    def action_ask(self, number: int) -> None:
        self.ask(PROMPTS[number])

    def ask(self, prompt: str) -> None:
        """Send a prompt with everything said so far."""
        if not prompt.strip() or self._streaming:
            return
        self.query_one(Input).clear()
        self.query_one("#hint").display = False
        turn = ChatTurn(prompt)
        messages = self._messages(prompt)
        self._turns.append(turn)
        turns = self.query_one("#turns", VerticalScroll)
        turns.mount(turn)
        turn.draw()
        turns.anchor()
        self._streaming = True
        self.post_message(self.Asked(ChatRequest(messages=messages, effort=self.effort)))

    def _messages(self, prompt: str) -> tuple[ChatMessage, ...]:
        said: list[ChatMessage] = []
        for turn in self._turns:
            if turn.answer:
                said.append(ChatMessage(role="user", content=turn.prompt))
                said.append(ChatMessage(role="assistant", content=turn.answer))
        return (*said, ChatMessage(role="user", content=prompt))

    def add(self, piece: ChatDelta | ChatDone) -> None:
        """Take in what streamed."""
        if not self._turns or not self._streaming:
            return
        turn = self._turns[-1]
        if isinstance(piece, ChatDone):
            self._streaming = False
            turn.end = ending(piece)
            turn.draw()
            return
        if piece.channel == "reasoning":
            turn.reasoning += piece.text
        else:
            turn.answer += piece.text
        if not self._dirty:
            self._dirty = True
            self.set_timer(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._dirty = False
        if self._turns:
            self._turns[-1].draw()

    def fail(self, sentence: str) -> None:
        """The answer did not come, or broke off."""
        if self._turns and self._streaming:
            self._streaming = False
            self._turns[-1].end = f"✗ {clean(sentence)}"
            self._turns[-1].draw()

    def action_stop(self) -> None:
        if self._streaming:
            self.post_message(self.Stopped())
            self.fail("stopped")

    def action_effort(self) -> None:
        self.effort = EFFORTS[(EFFORTS.index(self.effort) + 1) % len(EFFORTS)]
        self.post_message(self.EffortChanged())

    class EffortChanged(Message):
        """The title shows the effort."""

    def action_reasoning(self) -> None:
        for turn in self._turns:
            turn.show_reasoning = not turn.show_reasoning
            turn.draw()

    def action_copy(self) -> None:
        if self._turns:
            self.post_message(self.CopyAnswer(self._turns[-1].answer))


def ending(done: ChatDone) -> str:
    """How an answer ended and how quick it was, in a line."""
    words = {"stop": "complete", "length": "cut off: token limit", "abort": "cut off: aborted"}
    reason = words.get(done.finish_reason or "", done.finish_reason or "ended without a reason")
    speed = UNKNOWN if done.tokens_per_s is None else f"{done.tokens_per_s:.0f}"
    return (
        f"{reason} · first token {seconds(done.ttft_s)}, of the answer "
        f"{seconds(done.answer_ttft_s)} · {speed} tokens/s · {whole(done.completion_tokens)} tokens"
    )


def _hint() -> str:
    lines = [f"f{number}  {prompt}" for number, prompt in enumerate(PROMPTS, 1)]
    return "Smoke prompts:\n" + "\n".join(lines)
