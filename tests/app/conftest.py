"""Every test of the app has a home of its own, and no terminal multiplexer around it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.app.fakes import Clock, FakeBox, FakeFleet


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the app keeps its files."""
    folder = tmp_path / "home"
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(folder))
    monkeypatch.delenv("TMUX", raising=False)
    # After a key Textual waits until the process is idle: with a simulated box in it, it never is.
    monkeypatch.setattr("textual.app.wait_for_idle", at_once)
    return folder


async def at_once(_: float = 0) -> None:
    """Give the app a turn."""
    await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    """A time that only moves when told to."""
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> FakeFleet:
    """Two boxes that nobody has contacted, and a third one added by each test that wants it."""
    made = FakeFleet(clock)
    made.have(FakeBox("alpha", made.hub), FakeBox("beta", made.hub))
    return made
