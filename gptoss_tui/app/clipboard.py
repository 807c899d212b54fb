"""Copying, by every way that may work: OSC 52, and tmux's own buffer (which OSC 52 may not reach)."""

from __future__ import annotations

import asyncio
import os


async def to_tmux(text: str) -> bool:
    """Put `text` into tmux's buffer; False outside of tmux, or when tmux refuses."""
    if not os.environ.get("TMUX"):
        return False
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux",
            "load-buffer",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.communicate(text.encode())
    except OSError:
        return False
    return process.returncode == 0
