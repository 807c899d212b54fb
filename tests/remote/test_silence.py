"""A box that is silent says nothing of its servers, good or bad."""

from __future__ import annotations

from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from gptoss_tui.domain.host import LinkPhase, LinkState
from gptoss_tui.domain.instance import Instance, InstanceList, InstanceState
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.errors import EngineError
from gptoss_tui.remote.beat import Beat
from gptoss_tui.remote.endpoints import Endpoints
from gptoss_tui.remote.engine_client import EngineClient
from gptoss_tui.remote.engine_clients import EngineClients
from gptoss_tui.remote.servers import Servers

GOOD = EngineSnapshot(healthy=True)


def late() -> EngineError:
    error = EngineError("The server does not answer.")
    error.__cause__ = httpx.ReadTimeout("")
    return error


class NoTime:
    def seconds(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Time does not pass here."""


@pytest.mark.parametrize(
    ("phase", "scrapes", "seen"),
    [
        ("up", [GOOD, late(), GOOD], [True, True]),
        ("up", [GOOD, late(), late(), GOOD], [True, False, True]),
        ("up", [EngineError("refused"), GOOD], [False, True]),
        ("degraded", [GOOD, late(), late(), late(), GOOD], [True, True]),
    ],
)
async def test_answers_that_come_too_late(
    phase: LinkPhase, scrapes: list[object], seen: list[bool]
) -> None:
    transport = SimpleNamespace(link=LinkState(phase=phase))
    nothing, no_time = cast("Any", None), NoTime()
    endpoints = Endpoints(cast("Any", transport), nothing, nothing, Beat(no_time), no_time)
    coming = iter(scrapes)

    async def scrape(name: str, *, ask: bool = True) -> EngineSnapshot:
        one = next(coming)
        if isinstance(one, EngineError):
            raise one
        return cast("EngineSnapshot", one)

    endpoints.scrape = scrape  # type: ignore[method-assign]
    found: list[bool | None] = []
    async with aclosing(endpoints.watch("ours", 1.0)) as snapshots:
        async for snapshot in snapshots:
            found.append(snapshot.healthy)
            if len(found) == len(seen):
                break
    assert found == seen


@pytest.mark.parametrize(
    ("healthy", "before", "state"),
    [
        (None, "ready", "ready"),
        (None, None, "unknown"),
        (False, "ready", "loading"),
        (True, None, "ready"),
    ],
)
async def test_a_server_is_what_it_was_while_nothing_comes(
    healthy: bool | None, before: InstanceState | None, state: InstanceState
) -> None:
    class Client:
        async def healthy(self, timeout_s: float) -> bool | None:
            return healthy

    class Clients(EngineClients):
        def of(self, instance: Instance) -> EngineClient:
            return cast("EngineClient", Client())

    there = Instance(
        name="ours", engine="vllm", model="m", port=8000, container_id="c", state="unknown"
    )
    nowhere = cast("Any", None)
    listing = Servers(nowhere, nowhere, lambda: None, Clients(nowhere))
    if before:
        known = Instance(name="ours", container_id="c", state=before)
        listing._last = InstanceList(instances=(known,))
    assert (await listing._with_health(there, set(), ask=True)).state == state
