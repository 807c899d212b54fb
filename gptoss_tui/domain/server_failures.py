"""What a server said instead of serving, in words: at the fetch, the load or the first question."""

from __future__ import annotations

from gptoss_tui.domain.doctor.causes import CAUSES
from gptoss_tui.domain.doctor.table import row_of
from gptoss_tui.text import clean_line

STEPS = ("fetch", "load", "ask")


def server_failure(step: str, said: str) -> tuple[str, str]:
    """A sentence and a next step for what a server answered at `step` (status and body, or why not)."""
    brief = clean_line(said, 300).rstrip(".") or "nothing"
    if step == "fetch":
        return _fetch_failure(brief)
    if step == "load":
        return (
            f"The server could not load the model: {brief}.",
            "Its log says why: see the log pane, or `gptoss-tui logs BOX NAME`.",
        )
    status = said.partition(" ")[0]
    if status == "200":
        return (
            f"The server answered the first question with nonsense: {brief}.",
            "Is the image the engine's own? See its log.",
        )
    if status in ("401", "403"):
        return (
            "The server refused its own API key.",
            "See its log; launch again with another key.",
        )
    return (
        f"The server listens, but the model does not answer: {brief}.",
        "Its log says why: see the log pane, or `gptoss-tui logs BOX NAME`.",
    )


def _fetch_failure(brief: str) -> tuple[str, str]:
    row = row_of(brief, vague=False)
    if row is not None:
        cause = CAUSES[row.cause]
        return f"{cause.explanation.rstrip('.')}: {brief}.", cause.fix
    return (
        f"The server could not fetch the model: {brief}.",
        "See whether the box reaches the model hub, and has room on its disk; launch again: "
        "what has come is kept.",
    )
