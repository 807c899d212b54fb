"""The log of a server as a launch's helper keeps it: Docker's own bytes, gzipped, in base64."""

from __future__ import annotations

import base64
import zlib
from datetime import datetime

from gptoss_tui.domain.parse.docker_log import MuxReader, Stream, time_of
from gptoss_tui.text import decode

LIMIT = 8 * 1024**2  # unpacked: no kept log is longer, and nobody's bomb is
_GZIP = 31  # zlib's word for a gzip stream with the largest window


def read_kept(text: str) -> tuple[tuple[datetime | None, str], ...]:
    """`(Docker's time stamp, line)` in order; what is damaged ends it. Never raises."""
    found: list[tuple[datetime | None, str]] = []
    begun: dict[Stream, tuple[int | None, bytes]] = {}
    for message in MuxReader().feed(_unpacked(text)):
        at, before = begun.pop(message.stream, (message.at, b""))
        data = before + message.data
        if data.endswith(b"\n"):
            found.append((time_of(at), decode(data).rstrip("\r\n")))
        else:
            begun[message.stream] = at, data
    found += [(time_of(at), decode(data)) for at, data in begun.values()]
    return tuple(found)


def _unpacked(text: str) -> bytes:
    try:
        return zlib.decompressobj(_GZIP).decompress(base64.b64decode(text), LIMIT)
    except (ValueError, zlib.error):
        return b""
