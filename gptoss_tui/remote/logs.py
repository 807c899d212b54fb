"""A container's log from the Docker Engine, as stamped lines with bounded memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import NamedTuple

from gptoss_tui.domain.instance import LogLine
from gptoss_tui.domain.parse.docker_json import parse_time
from gptoss_tui.domain.parse.docker_log import LogReader, MuxReader, TtyReader
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.resume import LogCursor, Stamped

# So many messages may have come between the reading of what was missed and the follow behind it.
SPARES = (32, 512, 8192)
# Docker notes the start when it is told of it: what a server says at once has an earlier time.
_STARTING = timedelta(seconds=2)
_ALWAYS = {"stdout": "1", "stderr": "1", "timestamps": "1"}
_FOLLOW, _UNTIL_NOW = {"follow": "1"}, {"follow": "0"}


async def docker_logs(
    docker: Docker,
    container: str,
    *,
    tail: int | None = 200,
    follow: bool = False,
    cursor: LogCursor | None = None,
) -> AsyncGenerator[Stamped, None]:
    """`(Docker's time stamp, line)` in order; `tail` None is everything.

    With a `cursor` that has been in this log before, it goes on behind the last line handed over.
    """
    cursor = cursor or LogCursor()
    log = _Log(docker, f"/containers/{container}", cursor)
    async with aclosing(log.queries(tail, follow)) as queries:
        async for query in queries:
            async with aclosing(log.read(query)) as lines:
                async for line in lines:
                    yield line
    cursor.finish()
    for line in log.ready():
        yield line


class Run(NamedTuple):
    """One run of a server: its container, when that was started the last time, and last ended."""

    container: str
    since: datetime | None = None
    ended: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.container} {self.since}"

    @property
    def words(self) -> str:
        since = f", started {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"--- from here on: container {self.container[:12]}{since} ---"

    def of(self, at: datetime | None) -> str:
        """The key of the run that said a line: this one, or an earlier one in the same container."""
        earlier = at is not None and self._begin is not None and at < self._begin
        return f"{self.container} earlier" if earlier else self.key

    @property
    def _begin(self) -> datetime | None:
        """What was said before this is of an earlier run."""
        if self.since is None or self.ended is None:
            return None  # there was none
        if self.ended < self.since:
            return self.ended + (self.since - self.ended) / 2
        return self.since - _STARTING  # it has ended, and the end before that is not told

    def is_another(self, before: str, now: str) -> bool:
        """Whether what runs `now` is told apart from what ran `before`, both keys."""
        return now == self.key or before.partition(" ")[0] != self.container


class _Log:
    """One container's log, and where in it `cursor` is."""

    def __init__(self, docker: Docker, path: str, cursor: LogCursor) -> None:
        self._docker = docker
        self._path = path
        self._cursor = cursor
        self._tty = False
        self._run = Run("")

    async def queries(self, tail: int | None, follow: bool) -> AsyncGenerator[dict[str, str], None]:
        """One after the other, each to be read before the next one is asked for.

        A log that goes on is read until now first: a follow that asks for a time would go silent
        once the box's clock is set back behind that.
        """
        query = await self._begin(tail)
        if not follow or "since" not in query:
            yield query | (_FOLLOW if follow else _UNTIL_NOW)
            return
        yield query | _UNTIL_NOW
        for spare in SPARES:
            yield self._cursor.enter_end(spare) | _FOLLOW
            if self._cursor.joined:
                return
        yield await self._begin(tail) | _FOLLOW  # what was seen last is not there any more

    async def _begin(self, tail: int | None) -> dict[str, str]:
        asked = self._cursor.clock()
        about = await self._docker.get(f"{self._path}/json")
        self._tty = bool((about.get("Config") or {}).get("Tty"))
        name = str(about.get("Id") or self._path)
        state = about.get("State") or {}
        self._run = Run(
            name, parse_time(state.get("StartedAt")), parse_time(state.get("FinishedAt"))
        )
        return self._cursor.enter(name, tail, self._docker.box_now, asked)

    async def read(self, query: dict[str, str]) -> AsyncGenerator[Stamped, None]:
        """The lines of one answer, until it ends or turns out to miss some."""
        cursor = self._cursor
        # What a message brought and was not taken any more, the last time.
        for line in self.ready():
            yield line
        reader: LogReader = TtyReader() if self._tty else MuxReader()
        parts = self._docker.stream(f"{self._path}/logs", _ALWAYS | query)
        async with aclosing(parts):
            async for part in parts:
                for message in reader.feed(part):
                    cursor.take(message)
                    for line in self.ready():
                        yield line
                if cursor.missed:
                    return

    def ready(self) -> Iterator[Stamped]:
        """What the cursor has to hand over, with a mark where another run of the server begins."""
        lines = self._cursor.ready
        while lines:
            before, run = self._cursor.run, self._run.of(lines[0][0])
            if before != self._run.key:  # a clock that was set back begins no earlier run
                self._cursor.run = run
                if before and self._run.is_another(before, run):
                    yield lines[0][0], LogLine(text=self._run.words, ours=True)
            yield lines.popleft()
