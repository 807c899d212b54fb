"""A simulated box with a client of it, ready for use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from gptoss_tui.remote.box import Box
from tests.remote.support import Rig, simulated


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """One warm simulated box and a fleet that reaches it."""
    async with simulated(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def box(rig: Rig) -> Box:
    """The connection to the warm box."""
    return await rig.box()
