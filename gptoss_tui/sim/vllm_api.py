"""The HTTP side of the simulated vLLM: health, models, metrics, chat with reasoning."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from gptoss_tui.domain.engines.flags import human_int_or_auto
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.sim.answers import answer, tokens
from gptoss_tui.sim.container import Container
from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.http import Request, Response, json_response
from gptoss_tui.sim.metrics_page import page
from gptoss_tui.sim.world import World


class VllmApi:
    """`handle` answers one request to the server in `container`.

    The other engines' servers are this one with routes and names of their own.
    """

    owner = "vllm"
    reasoning = "reasoning"
    guarded: tuple[str, ...] = ("/v1",)
    drains_alone = True  # while it drains it takes nothing new
    knows_names = True  # another model's name is not found

    def __init__(self, world: World, container: Container, engine: EngineModel) -> None:
        self._world = world
        self._container = container
        self._engine = engine

    async def handle(self, request: Request) -> Response:
        self._check_alive()
        if (answered := await self._own(request)) is not None:
            return answered
        if request.path.startswith(self.guarded) and not self._allowed(request):
            return json_response({"error": "Unauthorized"}, 401)
        if request.path == "/v1/models":
            listed = [self._listed(name) for name in self._served()]
            return json_response({"object": "list", "data": listed})
        if request.path == "/v1/chat/completions" and request.method == "POST":
            return self._chat(request)
        return json_response({"detail": "Not Found"}, 404)

    async def _own(self, request: Request) -> Response | None:
        """The routes that each engine has in its own way."""
        if request.path in ("/health", "/ping"):
            return Response(200)
        if request.path == "/metrics":
            return self._metrics()
        if request.path == "/version":
            return json_response({"version": self._container.version})
        return None

    def _metrics(self) -> Response:
        text = page(self._engine, self._container.model, self._world.clock.seconds())
        return Response(body=text.encode(), content_type="text/plain; version=0.0.4")

    def _served(self) -> tuple[str, ...]:
        return (self._container.model,)

    def _listed(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "owned_by": self.owner}

    def _limit(self) -> int:
        """The longest prompt, in tokens."""
        told = human_int_or_auto(self._container.option("--max-model-len") or "auto")
        return 131072 if told < 0 else told

    def _too_long(self, asked: int, limit: int) -> str:
        return (
            f"This model's maximum context length is {limit} tokens. However, your prompt "
            f"contains {asked} input tokens. Please reduce the length of the input."
        )

    def _error(self, status: int, message: str) -> Response:
        error = {"message": message, "type": "BadRequestError", "param": None, "code": status}
        return json_response({"error": error}, status)

    def _check_alive(self) -> None:
        """A connection that outlived its server ends, as the kernel ends a dead process's."""
        if self._container.engine is not self._engine:
            raise ConnectionResetError("the server is gone")

    def _allowed(self, request: Request) -> bool:
        key = self._container.api_key
        return key is None or request.headers.get("authorization") == f"Bearer {key}"

    def _chat(self, request: Request) -> Response:
        if self.drains_alone and self._engine.draining_since is not None:
            return self._error(500, "The server is shutting down.")
        broken = self._world.profile.has("server_500") and self._engine.asked
        if broken or self._world.profile.has("no_answer"):
            return self._error(
                500, "EngineCore encountered an issue. See stack trace for the root cause."
            )
        self._engine.asked = True
        try:
            body: dict[str, Any] = request.json()
            prompt = str(body["messages"][-1]["content"])
        except (ValueError, KeyError, TypeError, IndexError):
            return self._error(400, "Field required: messages")
        if not self.knows_names:
            body.setdefault("model", "default")
        elif body.get("model") not in self._served():
            return self._error(404, f"The model `{body.get('model')}` does not exist.")
        limit = self._limit()
        if len(prompt) // 4 > limit:
            return self._error(400, self._too_long(len(prompt) // 4, limit))
        reasoning, text = answer(prompt, engine_named(self._container.kind).title)
        if self._world.profile.has("hostile_text"):
            text = "\x1b]52;c;ZXZpbA==\x07[bold]not markup[/x] " + text
        if body.get("stream"):
            return Response(
                body=self._stream(body, reasoning, text), content_type="text/event-stream"
            )
        pieces, most = [*tokens(reasoning), *tokens(text)], body.get("max_tokens")
        message: dict[str, str | None] = {"role": "assistant", "content": text}
        message[self.reasoning], finish = reasoning, "stop"
        if isinstance(most, int) and most < len(pieces):
            pieces, finish = pieces[:most], "length"
            message |= {"content": None, self.reasoning: "".join(pieces)}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        usage = _usage(prompt, len(pieces))
        return json_response({"model": body["model"], "choices": [choice], "usage": usage})

    async def _stream(
        self, body: dict[str, Any], reasoning: str, text: str
    ) -> AsyncIterator[bytes]:
        clock, engine = self._world.clock, self._engine
        began = clock.seconds()
        limit = body.get("max_tokens")
        pieces = [(self.reasoning, piece) for piece in tokens(reasoning)]
        pieces += [("content", piece) for piece in tokens(text)]
        cut = isinstance(limit, int) and limit < len(pieces)
        pieces = pieces[:limit] if cut else pieces
        engine.chats += 1
        try:
            await clock.sleep(0.05 + 0.4 * engine.waiting(began) / engine.slots)
            first = clock.seconds() - began
            yield _event(body["model"], {"role": "assistant", "content": ""})
            for channel, piece in pieces:
                await clock.sleep((1 + 0.045 * engine.running(clock.seconds())) / engine.rate)
                self._check_alive()
                yield _event(body["model"], {channel: piece})
            yield _event(body["model"], {}, "length" if cut else "stop")
            prompt = str(body["messages"][-1]["content"])
            if (body.get("stream_options") or {}).get("include_usage"):
                usage = {
                    "model": body["model"],
                    "choices": [],
                    "usage": _usage(prompt, len(pieces)),
                }
                yield f"data: {json.dumps(usage)}\n\n".encode()
            yield b"data: [DONE]\n\n"
            engine.count_chat(len(prompt) // 4, len(pieces), first, clock.seconds() - began)
        finally:
            engine.chats -= 1


def _event(model: str, delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    document = {"id": "chatcmpl-sim", "object": "chat.completion.chunk", "model": model}
    return f"data: {json.dumps(document | {'choices': [choice]})}\n\n".encode()


def _usage(prompt: str, completion: int) -> dict[str, int]:
    asked = max(8, len(prompt) // 4)
    return {
        "prompt_tokens": asked,
        "completion_tokens": completion,
        "total_tokens": asked + completion,
    }
