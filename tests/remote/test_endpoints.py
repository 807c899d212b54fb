"""Which model and which engine a server of a name has: that of the container it has now."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import pytest

from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatRequest
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.secret import Secret
from gptoss_tui.errors import EngineError
from gptoss_tui.remote import engine_clients
from gptoss_tui.remote.beat import Beat
from gptoss_tui.remote.endpoints import Endpoints
from gptoss_tui.remote.engine_clients import EngineClients
from gptoss_tui.remote.pulse import REAL


class _Client:
    """Answers with the name of the model that it was asked for, and of its engine."""

    serves = ("model-a",)
    made: ClassVar[list[str]] = []
    asked = 0

    def __init__(self, transport: Any, engine: Any, host: str, port: int, pulse: Any) -> None:
        self.made.append(engine.name)

    async def models(self, api_key: Secret | None) -> tuple[str, ...]:
        _Client.asked += 1
        return _Client.serves

    async def chat(
        self, model: str, request: ChatRequest, api_key: Secret | None
    ) -> AsyncGenerator[ChatDelta, None]:
        yield ChatDelta(channel="answer", text=model)

    async def aclose(self) -> None: ...


class _Servers:
    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.noted = 0

    async def named(self, name: str) -> Instance:
        return self.instance

    async def answered(self, instance: Instance) -> None:
        self.noted += 1


async def _answer(ends: Endpoints) -> str:
    request = ChatRequest(messages=())
    pieces = [piece async for piece in ends.chat("one", request, None)]
    return "".join(piece.text for piece in pieces if isinstance(piece, ChatDelta))


async def test_a_name_that_another_container_got_is_asked_for_its_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_clients, "EngineClient", _Client)
    monkeypatch.setattr(_Client, "made", [])
    monkeypatch.setattr(_Client, "asked", 0)
    servers = _Servers(Instance(name="one", port=8000, container_id="c1", engine="vllm"))
    ends = Endpoints(None, servers, EngineClients(None), Beat(REAL))  # type: ignore[arg-type]
    assert [await _answer(ends), await _answer(ends)] == ["model-a"] * 2
    assert _Client.asked == 1
    monkeypatch.setattr(_Client, "serves", ("model-b",))
    servers.instance = Instance(name="one", port=8000, container_id="c2", engine="sglang")
    assert await _answer(ends) == "model-b"
    assert _Client.made == ["vllm", "sglang"]


@pytest.mark.parametrize(("launched", "asked"), [("model-b", "model-b"), (None, "model-a")])
async def test_of_several_models_the_launched_one_is_asked(
    monkeypatch: pytest.MonkeyPatch, launched: str | None, asked: str
) -> None:
    """Ollama lists all that its store holds, in an order of its own."""
    monkeypatch.setattr(engine_clients, "EngineClient", _Client)
    monkeypatch.setattr(_Client, "serves", ("model-a", "model-b"))
    one = Instance(name="one", port=8000, container_id="c1", engine="ollama", model=launched)
    ends = Endpoints(None, _Servers(one), EngineClients(None), Beat(REAL))  # type: ignore[arg-type]
    assert await _answer(ends) == asked


async def test_a_server_without_a_model_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_clients, "EngineClient", _Client)
    monkeypatch.setattr(_Client, "serves", ())
    one = Instance(name="one", port=8000, container_id="c1", engine="ollama")
    ends = Endpoints(None, _Servers(one), EngineClients(None), Beat(REAL))  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="one serves no model"):
        await _answer(ends)


def _piece(text: str) -> ChatDelta:
    return ChatDelta(channel="answer", text=text)


def _done(tokens: int | None) -> ChatDone:
    return ChatDone(total_s=1.0, completion_tokens=tokens)


@pytest.mark.parametrize(
    ("pieces", "noted"),
    [
        ((_piece("a"), _piece("b"), _done(2)), 1),
        ((_done(1),), 1),  # a first token without a text
        ((_done(None),), 0),
    ],
)
async def test_an_answer_is_noted_once(
    monkeypatch: pytest.MonkeyPatch, pieces: tuple[ChatDelta | ChatDone, ...], noted: int
) -> None:
    async def chat(*words: Any) -> AsyncGenerator[ChatDelta | ChatDone, None]:
        for piece in pieces:
            yield piece

    monkeypatch.setattr(engine_clients, "EngineClient", _Client)
    monkeypatch.setattr(_Client, "chat", chat)
    servers = _Servers(Instance(name="one", port=8000, container_id="c1", engine="vllm"))
    ends = Endpoints(None, servers, EngineClients(None), Beat(REAL))  # type: ignore[arg-type]
    await _answer(ends)
    assert servers.noted == noted
