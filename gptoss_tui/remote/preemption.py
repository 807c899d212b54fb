"""Draining every server of ours on a box that its provider takes back.

It is meant until the box is gone: what a lost link or a Docker that restarts breaks off is begun
anew. That does no harm, for a server that has its signal takes a second one as none, and Docker
kills it at the earlier of the two times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from gptoss_tui.domain.instance import Instance
from gptoss_tui.errors import (
    ConflictError,
    DockerError,
    DockerPermissionError,
    GptossError,
    NoDockerError,
    NotFoundError,
)
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.reconnect import may_retry

AGAIN_S = 1.0
T = TypeVar("T")
Connect = Callable[[], Awaitable[Box]]

_RUNS = ("ready", "loading", "unhealthy", "unknown")


async def drain_all(connect: Connect, left_s: Callable[[], float]) -> tuple[str, ...]:
    """Drain them side by side within the time left; the names of those that were drained.

    `connect` gives the box, connected anew where the link was lost. Raises the first failure that
    lasted until the time was over, or that does not pass, once all have ended.
    """
    names = await _persist(partial(_running, connect), left_s)
    ended = await asyncio.gather(
        *(_persist(partial(_drain, connect, name, left_s), left_s) for name in names),
        return_exceptions=True,
    )
    for result in ended:
        if isinstance(result, BaseException):
            raise result
    return names


async def _running(connect: Connect) -> tuple[str, ...]:
    """No server is asked whether it is ready: one that hangs would hold up the others."""
    box = await connect()
    listed = (await box.instances(ask=False)).body.instances
    names = tuple(one.name for one in listed if serves(one))
    if not names and (await box.look()).body.docker is None:
        raise NoDockerError(
            f"Docker on {box.name} does not answer: whether a server of ours runs is not known.",
            "Look at the box.",
        )
    return names


async def _drain(connect: Connect, name: str, left_s: Callable[[], float]) -> None:
    box = await connect()
    try:
        await box.drain(name, left_s())
    except NotFoundError:
        if name in await _running(connect):
            raise  # else somebody else has ended it


async def _persist(work: Callable[[], Awaitable[T]], left_s: Callable[[], float]) -> T:
    """Again and again until it is done, while there is time and the failure may pass."""
    while True:
        try:
            return await work()
        except GptossError as error:
            if not _may_pass(error) or left_s() <= AGAIN_S:
                raise
        await asyncio.sleep(AGAIN_S)


def _may_pass(error: GptossError) -> bool:
    if isinstance(error, DockerError):
        return not isinstance(error, DockerPermissionError | ConflictError)
    return may_retry(error, was_up=True)


def serves(instance: Instance) -> bool:
    """Whether it is one of ours that runs, and so is drained."""
    return instance.managed and instance.container_id is not None and instance.state in _RUNS
