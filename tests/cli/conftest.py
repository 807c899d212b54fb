"""Commands in this process, simulated boxes on a loop of their own in another thread."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gptoss_tui.cli.main import main
from gptoss_tui.sim.profile import Profile
from gptoss_tui.sim.run import SimBox, SimFleet
from tests.remote.support import FAST, WARM

T = TypeVar("T")


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        """Each line of standard output as JSON; a line that is none fails."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def document(self) -> Any:
        (only,) = self.documents
        return only


class Cli:
    """Runs commands as the console script does. `home` is where our own files are."""

    def __init__(self, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        self._capsys = capsys
        self.home = home

    def __call__(self, *argv: str) -> Result:
        self._capsys.readouterr()
        try:
            code = main(argv)
        except SystemExit as ending:  # argparse
            code = int(ending.code or 0)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err
        return Result(code, out, err)


class Background:
    """A `SimFleet` in a thread. Touch its world through `call` and `do` only."""

    def __init__(self, fleet: Callable[[], SimFleet]) -> None:
        self._make = fleet
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="simulated boxes")
        self.sim: SimFleet

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._over = asyncio.Event()
        async with self._make() as self.sim:
            self._ready.set()
            await self._over.wait()

    def __enter__(self) -> Background:
        self._thread.start()
        assert self._ready.wait(10), "the simulated boxes do not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the boxes' loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def do(self, action: Callable[[SimBox], T], number: int = 1) -> T:
        """Run a function on the boxes' loop, with one of the boxes."""

        async def work() -> T:
            return action(self.sim.boxes[number - 1])

        return self.call(work())

    @property
    def config(self) -> str:
        return str(self.sim.ssh_config)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("GPTOSS_TUI_API_KEY", raising=False)
    return Cli(capsys, tmp_path / "home")


@pytest.fixture
def boxes() -> Iterator[Callable[..., Background]]:
    """Starts simulated boxes of the kinds given (default: one warm box); ends them after the test."""
    running: list[Background] = []

    def start(*kinds: Profile, speed: float = FAST, traffic: float = 0.0) -> Background:
        made = Background(
            lambda: SimFleet(kinds=kinds or (WARM,), speed=speed, traffic=traffic)
        ).__enter__()
        running.append(made)
        return made

    yield start
    for one in running:
        one.__exit__()


@pytest.fixture
def warm(boxes: Callable[..., Background]) -> Background:
    """One warm box, sim-1."""
    return boxes()


@pytest.fixture
def serving(cli: Cli, warm: Background) -> Background:
    """One warm box on which gpt-oss-20b serves."""
    result = cli("launch", "sim-1", "-F", warm.config, "--yes", "--wait")
    assert result.code == 0, result.err
    return warm
