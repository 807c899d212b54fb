"""A container's log from the Docker Engine, as stamped lines with bounded memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gptoss_tui.domain.parse.docker_log import LogReader, MuxReader, TtyReader
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.resume import LogCursor, Stamped


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
    about = await docker.get(f"/containers/{container}/json")
    tty = bool((about.get("Config") or {}).get("Tty"))
    cursor = cursor or LogCursor()
    params = {
        "stdout": "1",
        "stderr": "1",
        "timestamps": "1",
        "follow": "1" if follow else "0",
        **cursor.enter(str(about.get("Id") or container), tail, docker.box_now),
    }
    # What a message brought and was not taken any more, the last time.
    while cursor.ready:
        yield cursor.ready.popleft()
    reader: LogReader = TtyReader() if tty else MuxReader()
    parts = docker.stream(f"/containers/{container}/logs", params)
    async with aclosing(parts):
        async for part in parts:
            for message in reader.feed(part):
                cursor.take(message)
                while cursor.ready:
                    yield cursor.ready.popleft()
    cursor.finish()
    while cursor.ready:
        yield cursor.ready.popleft()
