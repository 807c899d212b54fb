"""`load-image`: an image for a box that reaches no registry, through the connection."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

from gptoss_tui.cli.output import Output, gib
from gptoss_tui.cli.session import agreed, connected
from gptoss_tui.domain.drivers import cuda_of
from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.engines.registry import engine_named, engine_of
from gptoss_tui.domain.engines.release import Release, release_of
from gptoss_tui.domain.launch_words import span
from gptoss_tui.errors import StateError, UsageError
from gptoss_tui.remote.box import Box
from gptoss_tui.text import decode

_PART = 1024 * 1024
_TOLD_EVERY_S = 5.0


async def load_image(arguments: Namespace, output: Output) -> int:
    """Stream a saved image to the box's Docker, and say what it has then."""
    if (arguments.file is None) == (arguments.image is None):
        raise UsageError("Which image?", "Give a FILE of `docker save`, or --image NAME:TAG.")
    meant = None if arguments.image is None else _release_of_words(arguments)
    async with connected(arguments, arguments.box) as box, AsyncExitStack() as stack:
        image = None if meant is None else await _image(*meant, box)
        parts, total = await stack.enter_async_context(_source(arguments.file, image))
        what = arguments.file or image
        question = f"Load {what} into Docker on {box.name}?"
        if not agreed(arguments, question, "to load without a question"):
            output.line("Nothing was loaded.")
            return 130
        began = time.monotonic()
        async with aclosing(_told(parts, total, output)) as told:
            fact = await box.load_image(told)
    output.document(fact)
    output.line(f"done in {span(time.monotonic() - began)}: {fact.body.text}")
    return 0


def _release_of_words(arguments: Namespace) -> tuple[Engine, Release]:
    """What --image names: an image, or an engine's by a version or a tag. Raises `UsageError`."""
    engine = engine_of(arguments.image, ()) or engine_named(arguments.engine)
    return engine, release_of(engine, None, arguments.image)


async def _image(engine: Engine, meant: Release, box: Box) -> str:
    """Of a version the image that a launch on this box takes, by its driver."""
    if meant.image is not None:
        return meant.image
    return engine.image(meant.version, cuda_of((await box.look()).body.driver_version))


@asynccontextmanager
async def _source(
    file: str | None, image: str | None
) -> AsyncIterator[tuple[AsyncGenerator[bytes, None], int | None]]:
    """The bytes of `file` or of `image`, and how many where that is known. Raises `StateError`."""
    if file is not None:
        path, total = _sized(file)
        async with aclosing(_file(path)) as parts:
            yield parts, total
        return
    try:
        process = await asyncio.create_subprocess_exec(
            "docker", "save", image or "",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=_PART,
        )  # fmt: skip
    except OSError as error:
        raise StateError(
            "There is no docker on this machine.", "Save the image elsewhere, and give the FILE."
        ) from error
    try:
        async with aclosing(_saved(process)) as parts:
            yield parts, None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _sized(name: str) -> tuple[Path, int]:
    path = Path(name).expanduser()
    try:
        return path, path.stat().st_size
    except OSError as error:
        raise StateError(f"{path} cannot be read.", "Give a file of `docker save`.") from error


async def _file(path: Path) -> AsyncGenerator[bytes, None]:
    with path.open("rb") as file:
        while part := await asyncio.to_thread(file.read, _PART):
            yield part


async def _saved(process: asyncio.subprocess.Process) -> AsyncGenerator[bytes, None]:
    assert process.stdout is not None
    assert process.stderr is not None
    while part := await process.stdout.read(_PART):
        yield part
    said = decode(await process.stderr.read()).strip()
    if await process.wait() != 0:
        raise StateError(
            f"docker save failed: {said[:300] or 'without a word'}.", "Pull the image here first."
        )


async def _told(
    parts: AsyncGenerator[bytes, None], total: int | None, output: Output
) -> AsyncGenerator[bytes, None]:
    """The same bytes; every few seconds a line says how many have gone."""
    sent, told = 0, time.monotonic()
    async for part in parts:
        yield part
        sent += len(part)
        if time.monotonic() - told >= _TOLD_EVERY_S:
            told = time.monotonic()
            output.line(f"  {gib(sent)} of {gib(total)}" if total else f"  {gib(sent)}")
