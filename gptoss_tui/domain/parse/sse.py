"""Server-sent events: bytes in any pieces, the data of whole events out."""

from __future__ import annotations

from gptoss_tui.text import decode

LIMIT = 4 * 1024**2


class SseParser:
    """Line ends of all kinds, comments and multi-line data, as the WHATWG describes them."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, part: bytes) -> list[str]:
        """The data of every event that `part` completes."""
        buffer = self._rest + part
        # A carriage return at the end may be half of a CRLF: wait for the next byte.
        held = b"\r" if buffer.endswith(b"\r") else b""
        buffer = buffer[: len(buffer) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = buffer.split(b"\n")
        self._rest = (rest if len(rest) <= LIMIT else b"") + held
        return [data for line in lines if (data := self._line(line)) is not None]

    def flush(self) -> list[str]:
        """What an ended stream left without its empty line."""
        lines = [*self._rest.splitlines(), b""]
        self._rest = b""
        return [data for line in lines if (data := self._line(line)) is not None]

    def _line(self, line: bytes) -> str | None:
        if not line:
            data, self._data = "\n".join(self._data), []
            return data or None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(decode(value.removeprefix(b" ")))
        return None
