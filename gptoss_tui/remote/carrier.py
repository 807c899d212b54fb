"""What carries the connections of a listener on this machine to a box's streams, and back."""

from __future__ import annotations

import asyncio
import contextlib

import httpcore

from gptoss_tui.errors import GptossError
from gptoss_tui.remote.http import Opener

_BLOCK = 65536


class Carrier:
    """`carry` takes each connection; `aclose` ends all that are still open."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._tasks: set[asyncio.Task[None]] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join one client to a stream of its own, until either side ends."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._joined(reader, writer)
        except asyncio.CancelledError:
            pass  # by `aclose`: the server of asyncio would log it as a fault
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(httpcore.NetworkError, GptossError, OSError):
            stream = await self._opener()
            try:
                up = asyncio.create_task(_up(reader, stream), name="carrier up")
                down = asyncio.create_task(_down(stream, writer), name="carrier down")
                try:
                    await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for half in (up, down):
                        half.cancel()
                    await asyncio.gather(up, down, return_exceptions=True)
            finally:
                await stream.aclose()

    async def aclose(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _up(reader: asyncio.StreamReader, stream: httpcore.AsyncNetworkStream) -> None:
    while data := await reader.read(_BLOCK):
        await stream.write(data)


async def _down(stream: httpcore.AsyncNetworkStream, writer: asyncio.StreamWriter) -> None:
    while data := await stream.read(_BLOCK):
        writer.write(data)
        await writer.drain()
