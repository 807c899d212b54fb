"""The one table of failures: the launch timeline, Docker's errors and the doctor all read it."""

from __future__ import annotations

from gptoss_tui.domain.doctor.rows import HINT, LAST, WEAK, Row
from gptoss_tui.domain.doctor.rows_docker import DOCKER_ROWS
from gptoss_tui.domain.doctor.rows_engine import ENGINE_ROWS
from gptoss_tui.domain.doctor.rows_files import FILE_ROWS
from gptoss_tui.domain.doctor.rows_gpu import GPU_ROWS
from gptoss_tui.domain.doctor.rows_memory import MEMORY_ROWS

TABLE: tuple[Row, ...] = (*MEMORY_ROWS, *GPU_ROWS, *ENGINE_ROWS, *FILE_ROWS, *DOCKER_ROWS)
_LOG = tuple(sorted((r for r in TABLE if r.scope != "docker"), key=lambda one: one.rank))
_DOCKER = tuple(r for r in TABLE if r.scope == "docker")

# One of these stands in every line that a row of the table matches (in lower case).
_QUICK = (
    "abort",
    "alloc",
    "already",
    "brok",
    "bus",
    "can't",
    "cannot",
    "couldn",
    "dead",
    "denied",
    "does",
    "eof",
    "errno",
    "error",
    "exce",
    "fail",
    "fault",
    "ggml_assert",
    "greater",
    "in use",
    "input should",
    "interrupt",
    "invalid",
    "kill",
    "larger",
    "memory",
    "mismatch",
    "miss",
    "must",
    "no ",
    "not ",
    "ptx",
    "rank",
    "rate limit",
    "requires",
    "reset",
    "restricted",
    "segmentation",
    "response [",
    "sig",
    "sm",
    "small",
    "space",
    "term",
    "time",
    "too ",
    "toomany",
    "unable",
    "unauthorized",
    "undefined",
    "unexpected",
    "unknown",
    "unrecognized",
    "unsupported",
    "vram",
    "want",
    "x509",
    "xid",
)


def worth_a_look(message: str) -> bool:
    """Whether any row may match: a first, quick look at a line."""
    low = message.lower()
    return any(word in low for word in _QUICK)


def row_of(message: str, frames: str = "") -> Row | None:
    """The most definite row that matches one message of an engine; None for nearly all."""
    for row in _LOG:
        if row.words.search(message) and (row.after is None or row.after.search(frames)):
            return row
    return None


def docker_row(said: str) -> Row | None:
    """The row of what Docker said."""
    return next((row for row in _DOCKER if row.words.search(said)), None)


def fatal_row(message: str) -> Row | None:
    """The row of a line by which a launch can be called failed, standing alone."""
    row = row_of(message)
    return None if row is None or row.rank in (WEAK, LAST, HINT) else row
