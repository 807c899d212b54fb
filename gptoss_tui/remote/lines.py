"""Bytes into lines, with bounded memory: no line is longer than 64 KiB, whatever the box sends."""

from __future__ import annotations

LIMIT = 64 * 1024


class LineSplitter:
    """Feed bytes, get whole lines without their end. A carriage return ends a line too.

    A progress bar that redraws itself with carriage returns never sends a newline; a line over the
    limit comes out in pieces of `LIMIT` bytes.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rest = b""
        self._returned = False  # the last byte was a carriage return, which has ended its line

    @property
    def pending(self) -> bool:
        """Whether a line has begun that has not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes; how the bytes are cut into calls makes no difference."""
        if not data:
            return []
        returned, self._returned = self._returned, data.endswith(b"\r")
        if returned:
            data = data.removeprefix(b"\n")  # the other half of one end
        buffer = (self._rest + data).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = buffer.split(b"\n")
        out = [piece for line in lines for piece in self._pieces(line)]
        while len(rest) > self._limit:
            out.append(rest[: self._limit])
            rest = rest[self._limit :]
        self._rest = rest
        return out

    def flush(self) -> list[bytes]:
        """What is left without a line end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def _pieces(self, line: bytes) -> list[bytes]:
        if len(line) <= self._limit:
            return [line]
        return [line[at : at + self._limit] for at in range(0, len(line), self._limit)]
