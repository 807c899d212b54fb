"""A smoke conversation with a server: what is asked, what streams back, how quick it was."""

from __future__ import annotations

from typing import Literal

import msgspec

from gptoss_tui.domain.facts import Body

Effort = Literal["low", "medium", "high"]


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["system", "user", "assistant"]
    content: str


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`max_tokens` None leaves the server's own limit; a short one can end inside the reasoning."""

    messages: tuple[ChatMessage, ...]
    effort: Effort = "medium"
    max_tokens: int | None = None
    temperature: float | None = None


class ChatDelta(Body, frozen=True, kw_only=True, tag="chat_delta"):
    """A piece of the answer; `channel` says which part of it."""

    channel: Literal["reasoning", "answer"]
    text: str


class ChatDone(Body, frozen=True, kw_only=True, tag="chat_done"):
    """The end of an answer, with the client's own measurements, in seconds and tokens.

    `ttft_s` is to the first token of any kind, `answer_ttft_s` to the first one of the answer;
    `tokens_per_s` counts from the first token to the last. Token counts are the server's usage.
    `finish_reason` "abort" is a cut answer, whatever the HTTP status said.
    """

    finish_reason: str | None = None
    ttft_s: float | None = None
    answer_ttft_s: float | None = None
    total_s: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens_per_s: float | None = None
