"""The inference server's own HTTP: health, models, metrics and chat, over a direct-tcpip channel."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import msgspec

from gptoss_tui.domain.chat import ChatDelta, ChatDone, ChatRequest
from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.parse.chat import ChatPiece, read_chunk
from gptoss_tui.domain.parse.sse import SseParser
from gptoss_tui.domain.render import bracketed
from gptoss_tui.domain.secret import Secret
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import EngineError
from gptoss_tui.remote import http
from gptoss_tui.remote.pulse import REAL, Pulse
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import clean_line, decode

PAGE_LIMIT = 8 * 1024**2
# A server that was healthy a moment ago is not asked again with every scrape of its figures.
HEALTH_S = 5.0


class EngineClient:
    """One server's HTTP client. Close it when the server is no longer watched."""

    def __init__(
        self, transport: Transport, engine: Engine, host: str, port: int, pulse: Pulse = REAL
    ) -> None:
        self._pulse = pulse
        self._engine = engine
        self._where = f"{bracketed(host)}:{port}"
        self._healthy_at: float | None = None
        self._client = http.client(
            lambda: transport.open_tcp(host, port), base_url=f"http://{self._where}", timeout_s=10
        )

    async def _get(self, path: str, **more: Any) -> httpx.Response:
        return await http.read(self._client, "GET", path, limit=PAGE_LIMIT, **more)

    async def healthy(self, timeout_s: float = 5.0) -> bool | None:
        """Whether the health route answers 200 (False: refused, or another status).

        None when nothing came in time: that may be the way there as well as the server.
        """
        try:
            return await self._health(timeout=timeout_s)
        except httpx.TimeoutException:
            return None
        except httpx.HTTPError:
            return False

    async def _health(self, **more: Any) -> bool:
        self._healthy_at = None
        reply = await self._get(self._engine.health_path, **more)
        if reply.status_code != 200:
            return False
        self._healthy_at = self._pulse.seconds()
        return True

    @property
    def _known_healthy(self) -> bool | None:
        at = self._healthy_at
        return True if at is not None and self._pulse.seconds() - at < HEALTH_S else None

    async def snapshot(self, *, ask: bool = True) -> EngineSnapshot:
        """Metrics, and health as it is known: asked for where it is not, if `ask`.

        Raises `EngineError` for a silent server.
        """
        try:
            healthy = self._known_healthy
            if healthy is None and (ask or not self._engine.metrics_path):
                healthy = await self._health()
            if not self._engine.metrics_path:
                return EngineSnapshot(healthy=healthy, metrics=False)
            page = await self._get(self._engine.metrics_path)
        except httpx.HTTPError as error:
            self._healthy_at = None
            raise self._silent(error) from error
        if page.status_code != 200:
            return EngineSnapshot(healthy=healthy, metrics=False)
        # Figures but for a name, which is cleaned like all that a fact holds.
        read = self._engine.read_metrics(page.content.decode("utf-8", errors="replace"))
        return msgspec.structs.replace(read, healthy=healthy)

    async def models(self, api_key: Secret | None = None) -> tuple[str, ...]:
        """The names that the server answers to. Raises `EngineError`."""
        try:
            reply = await self._get("/v1/models", headers=_authorization(api_key))
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if reply.status_code != 200:
            raise self._refused(reply.status_code, reply.content)
        try:
            return tuple(str(model["id"]) for model in reply.json()["data"] or ())
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"The server at {self._where} listed no models.") from error

    async def chat(
        self, model: str, request: ChatRequest, api_key: Secret | None
    ) -> AsyncGenerator[ChatDelta | ChatDone, None]:
        """Stream one answer; the last item is the `ChatDone`. Raises `EngineError`."""
        stopwatch = _Stopwatch(self._pulse.seconds)
        timeout = httpx.Timeout(15, read=600)
        try:
            async with self._client.stream(
                "POST",
                "/v1/chat/completions",
                json=_body(model, request),
                headers={"Accept-Encoding": "identity", **_authorization(api_key)},
                timeout=timeout,
            ) as reply:
                if reply.status_code != 200:
                    raise self._refused(reply.status_code, await http.body_of(reply, PAGE_LIMIT))
                parser = SseParser()
                async for part in reply.aiter_raw():
                    for data in parser.feed(part):
                        for delta in self._read(data, stopwatch):
                            yield delta
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        yield stopwatch.done()

    def _read(self, data: str, stopwatch: _Stopwatch) -> list[ChatDelta]:
        if data == "[DONE]":
            return []
        piece = read_chunk(data)
        if piece.error:
            raise EngineError(f"The server broke off: {clean_line(piece.error)}.", status=200)
        return stopwatch.note(piece)

    def _silent(self, error: Exception) -> EngineError:
        reason = str(error) or type(error).__name__
        return EngineError(
            f"The server at {self._where} does not answer: {clean_line(reason)}.",
            "It may still be loading (no port is open until it is ready), or it has stopped: "
            "see its log.",
        )

    def _refused(self, status: int, body: bytes) -> EngineError:
        said = read_chunk(decode(body)).error or decode(body)[:300]
        return EngineError(
            f"The server at {self._where} answered {status}: {clean_line(said)}.",
            _NEXT.get(status, "See the server's log."),
            status=status,
        )

    async def aclose(self) -> None:
        await self._client.aclose()


_NEXT = {
    400: "Shorten the prompt or lower max tokens.",
    401: "Give the API key (--api-key-file, GPTOSS_TUI_API_KEY, or in the chat pane).",
    404: "Check the model's name; `status` shows what is served.",
    429: "It has too many requests: try again.",
    503: "It is starting, draining or dead: see its log.",
}


class _Stopwatch:
    """The client's own measurements of one answer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._first: float | None = None
        self._first_answer: float | None = None
        self._last: float | None = None
        self._piece = ChatPiece()

    def note(self, piece: ChatPiece) -> list[ChatDelta]:
        now = self._clock()
        deltas: list[ChatDelta] = []
        if piece.reasoning:
            deltas.append(ChatDelta(channel="reasoning", text=piece.reasoning))
        if piece.content:
            self._first_answer = self._first_answer or now
            deltas.append(ChatDelta(channel="answer", text=piece.content))
        if deltas:
            self._first = self._first or now
            self._last = now
        self._piece = ChatPiece(
            finish_reason=piece.finish_reason or self._piece.finish_reason,
            prompt_tokens=piece.prompt_tokens or self._piece.prompt_tokens,
            completion_tokens=piece.completion_tokens or self._piece.completion_tokens,
        )
        return deltas

    def done(self) -> ChatDone:
        return ChatDone(
            finish_reason=self._piece.finish_reason,
            ttft_s=self._since(self._first),
            answer_ttft_s=self._since(self._first_answer),
            total_s=self._clock() - self._began,
            prompt_tokens=self._piece.prompt_tokens,
            completion_tokens=self._piece.completion_tokens,
            tokens_per_s=self._rate(),
        )

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self._began

    def _rate(self) -> float | None:
        """Tokens after the first one, over the time they took."""
        tokens = self._piece.completion_tokens
        if not tokens or tokens < 2 or self._first is None or self._last is None:
            return None
        took = self._last - self._first
        return (tokens - 1) / took if took > 0 else None


def _authorization(api_key: Secret | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key.reveal()}"} if api_key else {}


def _body(model: str, request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [msgspec.to_builtins(message) for message in request.messages],
        "reasoning_effort": request.effort,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_tokens is not None:
        body["max_tokens"] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body
