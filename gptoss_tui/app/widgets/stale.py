"""When data counts as old, and how that is said."""

from __future__ import annotations

from datetime import datetime

from gptoss_tui.app.widgets.figures import age

# Figures come every second or two. After this long without one, something is in the way.
AFTER_S = 6.0


def stale_age(seen: datetime | None, now: datetime, after_s: float = AFTER_S) -> float | None:
    """The age in whole seconds of what was `seen` then, or None while it is fresh (or never was)."""
    if seen is None:
        return None
    seconds = (now - seen).total_seconds()
    return float(int(seconds)) if seconds > after_s else None


def stale_words(seconds: float) -> str:
    """`12 s old`."""
    return f"{age(seconds)} old"
