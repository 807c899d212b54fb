"""The log of a launch as it grows: followed, or asked for again and again where nothing can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gptoss_tui.errors import CommandError
from gptoss_tui.remote.lines import LineSplitter
from gptoss_tui.remote.sessions import OneSessionError
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode

# How often a box is asked that allows one session at a time: commands find it free in between.
LOOK_S = 2.0
# So much comes with one look; what a pull writes in two seconds is less.
PART = 1024**2
_FILE = '"${XDG_STATE_HOME:-$HOME/.local/state}/gptoss-tui/launches/$1/log"'
_FOLLOW = f'exec tail -c "+$2" -f {_FILE}'
_LOOK = f'exec <{_FILE} || exit 1\ntail -c "+$2" | head -c "$3"'


async def follow_log(
    transport: Transport, launch_id: str, from_byte: int
) -> AsyncGenerator[str, None]:
    """The helper's lines from `from_byte` on, as they come. Never ends by itself."""
    told = 0
    try:
        argv = ("sh", "-c", _FOLLOW, "gptoss-tail", launch_id, str(from_byte + 1))
        async with transport.follow(argv) as lines:
            async for line in lines:
                told += 1
                yield decode(line)
        return
    except OneSessionError:
        pass
    async with aclosing(_looks(transport, launch_id, from_byte)) as lines:
        async for line in lines:
            told -= 1
            if told < 0:  # else it had come before the box had only one session
                yield decode(line)


async def _looks(
    transport: Transport, launch_id: str, from_byte: int
) -> AsyncGenerator[bytes, None]:
    splitter, at = LineSplitter(), from_byte
    while True:
        argv = ("sh", "-c", _LOOK, "gptoss-part", launch_id, str(at + 1), str(PART))
        done = await transport.run(argv)
        if done.status != 0:
            raise CommandError(
                f"The log of the launch cannot be read: {decode(done.stderr).strip()[:200]}.",
                "`status` shows how the launch stands.",
            )
        at += len(done.stdout)
        for line in splitter.feed(done.stdout):
            yield line
        if len(done.stdout) < PART:
            await asyncio.sleep(LOOK_S)
