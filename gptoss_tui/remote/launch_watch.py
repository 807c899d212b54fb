"""Watching a launch: the helper's log, and the container's own once it runs, in one timeline."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.timeline import LaunchLog
from gptoss_tui.errors import DockerError, GptossError, NotFoundError
from gptoss_tui.remote import launcher
from gptoss_tui.remote.docker import Docker
from gptoss_tui.remote.launch_log import LOOK_S, follow_log
from gptoss_tui.remote.logs import docker_logs
from gptoss_tui.remote.transport import Transport

_CHECK_S = 10.0
DockerOf = Callable[[], Awaitable[Docker]]


async def watch_launch(
    transport: Transport, docker: DockerOf, launch_id: str
) -> AsyncGenerator[LaunchProgress, None]:
    """The launch as it stands, then each change of it, until it is ready, failed or cancelled.

    Raises `NotFoundError` when the box knows of no such launch, `ConnectionLostError` when the
    connection goes (the launch itself goes on).
    """
    record = await launcher.one_record(transport, launch_id)
    log = record.log
    yield (begun := log.progress)
    if begun.state != "running":
        return
    changed = asyncio.Event()
    tasks = [
        asyncio.create_task(
            _follow_helper(transport, log, launch_id, record.read_bytes, changed),
            name=f"launch log {launch_id}",
        ),
        asyncio.create_task(_follow_engine(docker, log, changed), name=f"engine log {launch_id}"),
        asyncio.create_task(
            _check_helper(transport, log, launch_id, changed), name=f"helper of {launch_id}"
        ),
    ]
    try:
        async for progress in _changes(log, changed, tasks[0]):
            yield progress
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ended = log.progress
    if ended.state in ("ready", "failed"):
        # Its last lines may not have come: the box keeps all that the server said until then.
        with contextlib.suppress(GptossError):
            ended = (await launcher.one_record(transport, launch_id)).progress
        if ended != log.progress:
            yield ended


async def _changes(
    log: LaunchLog, changed: asyncio.Event, helper: asyncio.Task[None]
) -> AsyncGenerator[LaunchProgress, None]:
    """One progress for each burst of changes, at most ten a second."""
    while True:
        waiting = asyncio.ensure_future(changed.wait())
        await asyncio.wait({waiting, helper}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        changed.clear()
        progress = log.progress
        yield progress
        if progress.state != "running":
            return
        if helper.done():
            helper.result()  # raises what ended it
            return
        await asyncio.sleep(0.1)


async def _follow_helper(
    transport: Transport, log: LaunchLog, launch_id: str, from_byte: int, changed: asyncio.Event
) -> None:
    try:
        lines = follow_log(transport, launch_id, from_byte)
        async with aclosing(lines):
            async for line in lines:
                log.feed(line)
                changed.set()
    finally:
        changed.set()


async def _check_helper(
    transport: Transport, log: LaunchLog, launch_id: str, changed: asyncio.Event
) -> None:
    """A helper that was killed writes no end: ask now and then whether it is still there."""
    while log.progress.state == "running":
        await asyncio.sleep(_CHECK_S)
        with contextlib.suppress(GptossError):
            if not (await launcher.one_record(transport, launch_id)).alive:
                await asyncio.sleep(LOOK_S + 1)  # its last lines come by the other way
                log.helper_gone()
                changed.set()
                return


async def _follow_engine(docker: DockerOf, log: LaunchLog, changed: asyncio.Event) -> None:
    """Feed the container's log once there is a container."""
    while log.progress.container_id is None:
        await asyncio.sleep(0.2)
    engine = engine_named(log.engine_name)
    with contextlib.suppress(DockerError, NotFoundError):
        lines = docker_logs(await docker(), log.progress.container_id, tail=None, follow=True)
        async with aclosing(lines):
            async for at, line in lines:
                if mark := engine.read_log(line.text):
                    log.feed_engine(mark, at)
                    changed.set()
