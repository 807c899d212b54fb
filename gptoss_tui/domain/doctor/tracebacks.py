"""Python tracebacks in a log where several ranks and services speak at once."""

from __future__ import annotations

from collections import deque

import msgspec

from gptoss_tui.domain.doctor.lines import Line
from gptoss_tui.domain.doctor.words import Words

_BEGINS = "Traceback (most recent call last):"
# A copied piece of a log may begin inside a traceback.
_WITHIN = Words(r'^ *File "[^"]+", line \d+, in ')
_RAISED = Words(
    r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Failure|Interrupt|Exit|Refused|Timeout|Died)"
    r"(?=:|$)(?!: *$)|^Exception: \S"
)
_FRAME = Words(r'^ +\S|^File "|^\s*$')
_MOST_SPEAKERS = 64
# What only tells that something failed, not what: never a cause, and shown where nothing else is.
GENERIC = Words(
    r"[Ee]ngine core initialization failed|WorkerProc (?:initialization )?failed|Executor failed"
    r"|See (?:stack trace|root cause)|EngineCore (?:failed to start|encountered)|EngineDeadError"
    r"|SystemExit|ChildFailedError|KeyboardInterrupt|CancelledError|BrokenPipeError|Broken pipe"
    r"|Engine process failed to start|Failed core proc|EngineGenerateError|ConnectionResetError"
    r"|^RuntimeError: Cancelled|(?:Worker|Engine core) proc .* died|SIGQUIT|[Rr]eceived sigquit"
    r"|Failed to start|EOFError|scheduler died during initialization"
    r"|Exception raised from"
)


class Raised(msgspec.Struct, frozen=True):
    """The end of a traceback: its last frames and what was raised, as they stand in the log."""

    number: int
    message: str
    frames: tuple[tuple[int, str], ...]
    generic: bool


class Tracebacks:
    """Feed it lines; it tells when one ended. Keeps a few lines of a few speakers, whatever comes."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], deque[tuple[int, str]]] = {}

    def frames(self, line: Line) -> str:
        """The last frames of the traceback that this line is in, as one text."""
        return "\n".join(text for _, text in self._open.get(line.speaker, ()))

    def feed(self, number: int, line: Line) -> Raised | None:
        """The traceback that ends with this line, if one does."""
        if _BEGINS in line.message:
            self._start(line)
            return None
        there = self._open.get(line.speaker)
        if there is None and _WITHIN.match(line.message):
            self._start(line)
            there = self._open[line.speaker]
        if there is not None and _FRAME.match(line.message):
            if line.message.strip(" ^~"):
                there.append((number, line.text))
            return None
        self._open.pop(line.speaker, None)
        if there is None and not _RAISED.match(line.message):
            return None
        return Raised(
            number, line.text, tuple(there or ())[-4:], bool(GENERIC.search(line.message))
        )

    def _start(self, line: Line) -> None:
        if len(self._open) >= _MOST_SPEAKERS:
            self._open.pop(next(iter(self._open)))
        self._open[line.speaker] = deque(maxlen=6)
