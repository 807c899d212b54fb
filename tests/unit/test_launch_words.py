"""What is said of a launch that was told to end: no more than what its log tells."""

from __future__ import annotations

from gptoss_tui.domain.launch_words import cancel_words
from gptoss_tui.domain.timeline import LaunchLog


def said(*lines: str) -> str:
    """The launch of `gpt`, as far as these lines of its log go."""
    log = LaunchLog("id")
    for at, line in enumerate(('begin {"name":"gpt"}', "reserve", *lines)):
        log.feed(f"@{1767225600 + at} {line}")
    return cancel_words(log.progress)


def test_what_is_cancelled_has_left_what_it_says() -> None:
    assert said("pull", "cancelled") == "The launch of gpt was cancelled. Nothing of it remains."
    told = said("create", "left the image x:1", "cancelled")
    assert told == "The launch of gpt was cancelled. What remains: the image x:1."


def test_what_still_runs_is_not_called_cancelled() -> None:
    """`cancel.sh` gives up after half a minute, and Docker may take longer to create a container."""
    told = said("create")
    assert told.startswith("The launch of gpt is being cancelled: ")
    assert "gptoss-tui status BOX" in told
    assert "remains" not in told


def test_what_was_over_before_is_told_as_that() -> None:
    assert "the server is ready" in said("create", "created c", "start", "started", "ready")
    told = said("pull", "failed pull manifest unknown")
    assert told.startswith("The launch of gpt failed before it could be cancelled. The image does")
