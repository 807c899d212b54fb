"""What a scrape asks of a server: its figures each time, its health where that is not known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.errors import EngineError
from gptoss_tui.remote import http
from gptoss_tui.remote.engine_client import HEALTH_S, EngineClient

PAGE = b"vllm:num_requests_running 3\n"


async def _page() -> AsyncIterator[bytes]:
    yield PAGE


class Server:
    """Answers 200, unless told otherwise; `asked` are the paths. Its time is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, int | Exception] = {}
        self.now = 0.0
        monkeypatch.setattr(http, "client", self._client)
        self.client = EngineClient(
            cast("Any", None), engine_named("vllm"), "127.0.0.1", 8000, cast("Any", self)
        )

    def seconds(self) -> float:
        return self.now

    def _client(self, opener: object, *, base_url: str, timeout_s: float) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._reply), base_url=base_url)

    def _reply(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        answer = self.answers.get(path, 200)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, content=_page())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


async def test_health_that_is_known_is_not_asked_again(server: Server) -> None:
    for _ in range(5):
        snapshot = await server.client.snapshot()
        assert (snapshot.healthy, snapshot.running) == (True, 3)
        server.now += 1
    assert sorted(server.asked) == ["/health", *["/metrics"] * 5]
    server.now = HEALTH_S
    await server.client.snapshot()
    assert server.asked.count("/health") == 2


async def test_first_figures_wait_for_no_health(server: Server) -> None:
    snapshot = await server.client.snapshot(ask=False)
    assert (snapshot.healthy, snapshot.running, server.asked) == (None, 3, ["/metrics"])
    assert (await server.client.snapshot()).healthy
    assert (await server.client.snapshot(ask=False)).healthy
    assert server.asked.count("/health") == 1


async def test_whoever_asks_for_health_asks_for_all(server: Server) -> None:
    for _ in range(8):
        assert await server.client.healthy()
        await server.client.snapshot()
        server.now += HEALTH_S - 1
    assert server.asked.count("/health") == 8


async def test_a_server_that_was_ill_or_silent_is_asked_each_time(server: Server) -> None:
    await server.client.snapshot()
    server.now += HEALTH_S
    server.answers["/health"] = 503
    assert [(await server.client.snapshot()).healthy for _ in range(3)] == [False] * 3
    assert server.asked.count("/health") == 4
    server.answers = {"/metrics": httpx.ReadTimeout("late")}
    with pytest.raises(EngineError) as caught:
        await server.client.snapshot()
    assert isinstance(caught.value.__cause__, httpx.TimeoutException)
    server.answers = {}
    before = server.asked.count("/health")
    assert (await server.client.snapshot()).healthy
    assert server.asked.count("/health") == before + 1


async def test_a_scrape_that_failed_leaves_nothing_behind(server: Server) -> None:
    before = asyncio.all_tasks()
    server.answers = {"/metrics": httpx.ConnectError("refused"), "/health": 200}
    with pytest.raises(EngineError):
        await server.client.snapshot()
    assert asyncio.all_tasks() == before
