"""The one table of failures: the launch timeline, Docker's errors and the doctor all read it."""

from __future__ import annotations

from functools import lru_cache

from gptoss_tui.domain.doctor.needles import Sieve
from gptoss_tui.domain.doctor.rows import HINT, LAST, VAGUE, WEAK, Row
from gptoss_tui.domain.doctor.rows_area import AREA_ROWS
from gptoss_tui.domain.doctor.rows_docker import DOCKER_ROWS
from gptoss_tui.domain.doctor.rows_engine import ENGINE_ROWS
from gptoss_tui.domain.doctor.rows_files import FILE_ROWS
from gptoss_tui.domain.doctor.rows_gpu import GPU_ROWS
from gptoss_tui.domain.doctor.rows_memory import MEMORY_ROWS
from gptoss_tui.domain.doctor.rows_place import PLACE_ROWS
from gptoss_tui.domain.doctor.rows_vague import VAGUE_ROWS

TABLE: tuple[Row, ...] = (
    *MEMORY_ROWS,
    *GPU_ROWS,
    *ENGINE_ROWS,
    *FILE_ROWS,
    *PLACE_ROWS,
    *VAGUE_ROWS,
    *AREA_ROWS,
    *DOCKER_ROWS,
)
_LOG = Sieve(sorted((r for r in TABLE if r.scope != "docker"), key=lambda one: one.rank))
_TOLD = Sieve([r for r in _LOG.all if r.told])
_DOCKER = Sieve([r for r in TABLE if r.scope == "docker"])


def row_of(
    message: str, frames: str = "", *, vague: bool = True, in_passing: bool = False
) -> Row | None:
    """The most definite row that matches one message of an engine; None for nearly all.

    `vague`: whether the rows of that rank count here. `in_passing`: it was told in passing.
    """
    return next((r for r in _said(message, vague, in_passing) if r.counts_in(frames)), None)


@lru_cache(maxsize=512)
def _said(message: str, vague: bool, in_passing: bool) -> tuple[Row, ...]:
    """The rows whose words stand in a message: the ranks of a server say the same, one by one."""
    rows = _TOLD.rows(message) if in_passing else _LOG.rows(message)
    return tuple(row for row in rows if (vague or row.rank != VAGUE) and row.words.search(message))


def docker_row(said: str) -> Row | None:
    """The row of what Docker said."""
    return next((row for row in _DOCKER.rows(said) if row.words.search(said)), None)


def fatal_row(message: str) -> Row | None:
    """The row of a line by which a launch can be called failed, standing alone."""
    row = row_of(message, vague=False)
    return None if row is None or row.rank in (WEAK, LAST, HINT) else row
