"""Jump hosts under any order of events: none is closed under a box, none is left open behind one."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncssh
from hypothesis import given, settings
from hypothesis import strategies as st

from gptoss_tui.errors import UnreachableError
from gptoss_tui.remote.hops import LINGER_S
from gptoss_tui.remote.ssh_config import Config, Directive
from gptoss_tui.remote.ssh_connect import ConnectOptions, Dialer, Opened
from gptoss_tui.remote.target import Target

# Where each name is reached through; the chains meet in their first hops.
JUMPS = {"a": "h1", "b": "h1,h2", "c": "h1,h2,h3", "d": "h4", "h4": "h1"}
BOXES = ("a", "b", "c", "d")


class _Time(asyncio.SelectorEventLoop):
    """A loop whose clock goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(selectors.SelectSelector())

    def time(self) -> float:
        return self.now


class _Connection(asyncssh.SSHClientConnection):
    """What the pool and the dialer use of a connection."""

    def __init__(self, world: _World, label: str, hop: _Connection | None) -> None:
        self.world, self.label, self.hop = world, label, hop
        self.lost: Callable[[], None] = lambda: None
        self.closed = self.dropped = self.ending = False
        self._over = asyncio.Event()

    def is_closed(self) -> bool:
        return self.closed

    def close(self) -> None:
        users = [one.label for one in self.world.connections if one.hop is self and not one.ending]
        users += [label for label, hop in self.world.dialling if hop is self]
        assert self.dropped or not users, f"{self.label} was closed under {users}"
        self.end()

    def end(self) -> None:
        if not self.ending:
            self.ending = True
            asyncio.get_running_loop().call_soon(self._ended)

    def _ended(self) -> None:
        """As asyncssh does: with a connection go those that are channels of it."""
        self.closed = True
        self.lost()
        self._over.set()
        for one in self.world.connections:
            if one.hop is self:
                one.dropped = True
                one.end()

    async def wait_closed(self) -> None:
        await self._over.wait()


class _World:
    """Servers that answer when the test says so, and what a fleet of boxes does with them."""

    def __init__(self) -> None:
        self.connections: list[_Connection] = []
        self.dialling: list[tuple[str, _Connection | None]] = []
        self.answers: list[asyncio.Future[bool]] = []
        self.connecting: list[asyncio.Task[Opened]] = []
        self.dialer = Dialer(ConnectOptions(Path("/nowhere")))
        self.dialer._logins = self  # type: ignore[assignment]
        self.dialer._keep_watch = lambda label, connection: None  # type: ignore[method-assign]
        self.dialer._resolve = self.resolve  # type: ignore[method-assign]

    async def resolve(self, target: Target, identity: str | None) -> Config:
        await asyncio.sleep(0)
        jump = JUMPS.get(target.host)
        lines: dict[str, tuple[Directive, ...]] = {}
        if jump:
            lines = {"proxyjump": (Directive("proxyjump", (jump,), "here"),)}
        return Config(target.host, target.host, lines)

    async def login(
        self,
        box: str,
        label: str,
        config: Config,
        hop: _Connection | None,
        lost: Callable[[], None],
    ) -> _Connection:
        assert hop is None or hop.dropped or not hop.ending, f"{label} got a hop that was closed"
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        mine = (label, hop)
        self.dialling.append(mine)
        self.answers.append(answer)
        try:
            up = await answer
        finally:
            self.dialling.remove(mine)
        if not up or (hop is not None and hop.ending):
            raise UnreachableError(f"{label} does not answer.")
        connection = _Connection(self, label, hop)
        connection.lost = lost
        self.connections.append(connection)
        return connection

    async def aclose(self) -> None: ...

    def open(self) -> list[_Connection]:
        return [one for one in self.connections if not one.ending]

    def act(self, what: str, number: int) -> None:
        """One event; `number` chooses among those that it may be about."""
        waiting = [answer for answer in self.answers if not answer.done()]
        running = [task for task in self.connecting if not task.done()]
        boxes = [one for one in self.open() if one.label in BOXES]
        if what == "connect":
            name = BOXES[number % len(BOXES)]
            connecting = self.dialer.connect(f"{name} {len(self.connecting)}", Target(name))
            self.connecting.append(asyncio.ensure_future(connecting))
        elif what in ("answer", "refuse") and waiting:
            waiting[number % len(waiting)].set_result(what == "answer")
        elif what == "cancel" and running:
            running[number % len(running)].cancel()
        elif what == "close" and boxes:
            boxes[number % len(boxes)].end()
        elif what == "drop" and self.open():
            lost = self.open()[number % len(self.open())]
            lost.dropped = True
            lost.end()
        elif what == "pass":
            loop = asyncio.get_running_loop()
            assert isinstance(loop, _Time)
            loop.now += (0.0, LINGER_S / 2, LINGER_S)[number % 3]


async def _settle() -> None:
    for _ in range(40):
        await asyncio.sleep(0)


async def _play(events: list[tuple[str, int, int]]) -> None:
    world = _World()
    for what, number, turns in events:
        world.act("connect" if what == "up" else what, number)
        for _ in range(100 if what == "up" else 0):
            world.act("answer", 0)
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
    for task in world.connecting:
        task.cancel()
    results = await asyncio.gather(*world.connecting, return_exceptions=True)
    expected = (Opened, UnreachableError, asyncio.CancelledError)
    assert all(isinstance(one, expected) for one in results), results
    await _settle()
    logins = Counter(one.label for one in world.open() if one.label not in BOXES)
    assert all(count == 1 for count in logins.values()), logins
    for one in world.open():
        if one.label in BOXES:
            one.end()
    for _ in range(4):  # a hop ends LINGER_S after the last one behind it
        await _settle()
        world.act("pass", 2)
    await _settle()
    assert [one.label for one in world.open()] == []
    assert world.dialling == []
    assert len(world.dialer.hops) == 0
    await world.dialer.aclose()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left


def _run(playing: Coroutine[Any, Any, None]) -> None:
    loop = _Time()
    trouble: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: trouble.append(context))
    try:
        loop.run_until_complete(playing)
    finally:
        loop.close()
    assert not trouble, trouble


# "up" is a box that comes up at once, without which hardly a hop would be used for long.
EVENTS = st.tuples(
    st.sampled_from(
        ("up", "connect", "answer", "answer", "refuse", "cancel", "close", "close", "drop", "pass")
    ),
    st.integers(0, 11),
    st.sampled_from((0, 1, 2, 3, 5, 20)),
)


@settings(max_examples=200)
@given(st.lists(EVENTS, min_size=10, max_size=40))
def test_any_order_of_events(events: list[tuple[str, int, int]]) -> None:
    _run(_play(events))
