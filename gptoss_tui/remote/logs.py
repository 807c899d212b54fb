"""A container's log from the Docker Engine, as stamped lines with bounded memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Literal

from gptoss_tui.domain.instance import LogLine
from gptoss_tui.domain.parse.docker_json import LogDemuxer, split_stamp
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.lines import LineSplitter
from gptoss_tui.text import decode

Stamped = tuple[datetime | None, LogLine]


async def docker_logs(
    docker: Docker,
    container: str,
    *,
    tail: int | None = 200,
    follow: bool = False,
    since: datetime | None = None,
) -> AsyncGenerator[Stamped, None]:
    """`(Docker's time stamp, line)` in order; `tail` None is everything, `since` is exclusive."""
    about = await docker.get(f"/containers/{container}/json")
    tty = bool((about.get("Config") or {}).get("Tty"))
    params = {
        "stdout": "1",
        "stderr": "1",
        "timestamps": "1",
        "follow": "1" if follow else "0",
        "tail": "all" if tail is None else str(tail),
    }
    if since is not None:
        params["since"] = f"{since.timestamp():.6f}"
    parts = docker.stream(f"/containers/{container}/logs", params)
    async with aclosing(parts), aclosing(_lines(parts, tty)) as lines:
        async for stream, raw in lines:
            at, text = split_stamp(decode(raw))
            if since is not None and at is not None and at <= since:
                continue
            yield at, LogLine(text=text, stream=stream)


async def _lines(
    parts: AsyncIterator[bytes], tty: bool
) -> AsyncGenerator[tuple[Literal["stdout", "stderr"], bytes], None]:
    """Whole lines of both streams. A terminal's log is not multiplexed."""
    demuxer = LogDemuxer()
    splitters: dict[str, LineSplitter] = {"stdout": LineSplitter(), "stderr": LineSplitter()}
    async for part in parts:
        frames = [("stdout", part)] if tty else demuxer.feed(part)
        for stream, data in frames:
            for line in splitters[stream].feed(data):
                yield ("stderr" if stream == "stderr" else "stdout"), line
    for stream, splitter in splitters.items():
        for line in splitter.flush():
            yield ("stderr" if stream == "stderr" else "stdout"), line
