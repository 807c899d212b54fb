"""What was said to a server and what came back, as the model of a box keeps it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gptoss_tui.app.widgets.figures import UNKNOWN, seconds, whole
from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatMessage, ChatRequest, Effort
from gptoss_tui.text import clean

_GOING_ON = "…"


@dataclass(frozen=True)
class Turn:
    """One question with its answer, as far as it has come. `end` says how it ended, or "…"."""

    prompt: str
    reasoning: str = ""
    answer: str = ""
    end: str = _GOING_ON

    @property
    def going_on(self) -> bool:
        """Whether more of the answer may come."""
        return self.end == _GOING_ON


class Conversation:
    """The turns with one server. One answer streams at a time."""

    def __init__(self) -> None:
        self.turns: tuple[Turn, ...] = ()
        self.streaming = False
        self.effort: Effort = "medium"

    def ask(self, prompt: str, effort: Effort) -> ChatRequest:
        """Begin a turn; the request holds everything that was said so far."""
        said: list[ChatMessage] = []
        for turn in self.turns:
            if turn.answer:
                said.append(ChatMessage(role="user", content=turn.prompt))
                said.append(ChatMessage(role="assistant", content=turn.answer))
        said.append(ChatMessage(role="user", content=prompt))
        self.turns = (*self.turns, Turn(prompt))
        self.streaming, self.effort = True, effort
        return ChatRequest(messages=tuple(said), effort=effort)

    def take(self, piece: ChatDelta | ChatDone) -> None:
        """Take in what streamed; pieces that come after the end are dropped."""
        if not self.streaming:
            return
        turn = self.turns[-1]
        if isinstance(piece, ChatDone):
            self._end(ending(piece))
        elif piece.channel == "reasoning":
            self._replace(replace(turn, reasoning=turn.reasoning + piece.text))
        else:
            self._replace(replace(turn, answer=turn.answer + piece.text))

    def fail(self, sentence: str) -> None:
        """The answer did not come, or broke off."""
        if self.streaming:
            self._end(f"✗ {clean(sentence)}")

    def _end(self, words: str) -> None:
        self.streaming = False
        self._replace(replace(self.turns[-1], end=words))

    def _replace(self, turn: Turn) -> None:
        self.turns = (*self.turns[:-1], turn)


def ending(done: ChatDone) -> str:
    """How an answer ended and how quick it was, in a line."""
    words = {"stop": "complete", "length": "cut off: token limit", "abort": "cut off: aborted"}
    reason = words.get(done.finish_reason or "", done.finish_reason or "ended without a reason")
    speed = UNKNOWN if done.tokens_per_s is None else f"{done.tokens_per_s:.0f}"
    return (
        f"{reason} · first token {seconds(done.ttft_s)}, of the answer "
        f"{seconds(done.answer_ttft_s)} · {speed} tokens/s · {whole(done.completion_tokens)} tokens"
    )
