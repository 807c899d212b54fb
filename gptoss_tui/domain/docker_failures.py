"""Docker's errors in words, from the doctor's table."""

from __future__ import annotations

from gptoss_tui.domain.doctor.causes import CAUSES
from gptoss_tui.domain.doctor.table import docker_row
from gptoss_tui.text import clean_line


def failure_of(step: str, said: str) -> tuple[str, str]:
    """A sentence and a next step for what Docker said at `step`; always something to show."""
    brief = clean_line(said, 300).rstrip(".")
    row = docker_row(said)
    if row is None:
        return f"Docker refused ({step}): {brief or 'without a word'}.", "See Docker's own log."
    cause = CAUSES[row.cause]
    if cause.quotes:
        return f"{cause.explanation.rstrip('.')}: {brief}.", cause.fix
    return cause.explanation, cause.fix
