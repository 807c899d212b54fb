"""Draining every server of ours on a box that its provider takes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gptoss_tui.domain.instance import Instance
from gptoss_tui.remote.box import Box

_RUNS = ("ready", "loading", "unhealthy", "unknown")


async def drain_all(box: Box, left_s: Callable[[], float]) -> tuple[str, ...]:
    """Drain them side by side within the time left; the names of those that were drained.

    Raises the first failure once all have ended.
    """
    ours = [one for one in (await box.instances()).body.instances if serves(one)]
    ended = await asyncio.gather(
        *(box.drain(one.name, left_s()) for one in ours), return_exceptions=True
    )
    for result in ended:
        if isinstance(result, BaseException):
            raise result
    return tuple(one.name for one in ours)


def serves(instance: Instance) -> bool:
    """Whether it is one of ours that runs, and so is drained."""
    return instance.managed and instance.container_id is not None and instance.state in _RUNS
