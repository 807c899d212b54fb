"""One chunk of a streamed chat completion, or one error body, of vLLM, SGLang and Ollama alike."""

from __future__ import annotations

import json
from typing import Any

import msgspec


class ChatPiece(msgspec.Struct, frozen=True, kw_only=True):
    """What one chunk brought; nothing is the usual value of each field. Counts are in tokens."""

    reasoning: str = ""
    content: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str = ""


def read_chunk(data: str) -> ChatPiece:
    """Read the JSON of one event. Odd JSON is an empty piece, never an exception."""
    try:
        document = json.loads(data)
    except ValueError:
        return ChatPiece()
    if not isinstance(document, dict):
        return ChatPiece()
    if error := _error(document):
        return ChatPiece(error=error)
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else document
    if not isinstance(choice, dict):
        return ChatPiece()
    delta = _dict(choice.get("delta")) or _dict(choice.get("message"))
    usage = _dict(document.get("usage"))
    return ChatPiece(
        reasoning=_first_text(delta, "reasoning", "reasoning_content", "thinking"),
        content=_first_text(delta, "content"),
        finish_reason=_text(choice.get("finish_reason") or choice.get("done_reason")) or None,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
    )


def _error(document: dict[str, Any]) -> str:
    """Bodies exist nested (`{"error": {"message"}}`), flat (`{"message"}`) and as a bare string."""
    error = document.get("error")
    if isinstance(error, dict):
        return _text(error.get("message")) or json.dumps(error)
    if isinstance(error, str) and error:
        return error
    if document.get("object") == "error" or ("message" in document and "code" in document):
        return _text(document.get("message"))
    detail = document.get("detail")
    if detail and "choices" not in document:
        return detail if isinstance(detail, str) else json.dumps(detail)
    return ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first_text(source: dict[str, Any], *names: str) -> str:
    for name in names:
        if text := _text(source.get(name)):
            return text
    return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
