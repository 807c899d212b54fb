"""A container's log from the Docker Engine, as stamped lines with bounded memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gptoss_tui.domain.parse.docker_log import LogReader, MuxReader, TtyReader
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.resume import LogCursor, Stamped

# So many messages may have come between the reading of what was missed and the follow behind it.
SPARES = (32, 512, 8192)
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
    while cursor.ready:
        yield cursor.ready.popleft()


class _Log:
    """One container's log, and where in it `cursor` is."""

    def __init__(self, docker: Docker, path: str, cursor: LogCursor) -> None:
        self._docker = docker
        self._path = path
        self._cursor = cursor
        self._tty = False

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
        return self._cursor.enter(name, tail, self._docker.box_now, asked)

    async def read(self, query: dict[str, str]) -> AsyncGenerator[Stamped, None]:
        """The lines of one answer, until it ends or turns out to miss some."""
        cursor = self._cursor
        # What a message brought and was not taken any more, the last time.
        while cursor.ready:
            yield cursor.ready.popleft()
        reader: LogReader = TtyReader() if self._tty else MuxReader()
        parts = self._docker.stream(f"{self._path}/logs", _ALWAYS | query)
        async with aclosing(parts):
            async for part in parts:
                for message in reader.feed(part):
                    cursor.take(message)
                    while cursor.ready:
                        yield cursor.ready.popleft()
                if cursor.missed:
                    return
