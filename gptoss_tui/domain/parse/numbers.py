"""Figures from foreign text: a number that makes sense, or None. Never raises."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_DIGITS = 18  # what fits into 64 bits, which is what JSON readers take


def whole(text: str | None) -> int | None:
    """An integer in ASCII digits, with or without a sign."""
    word = (text or "").strip()
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        return None
    return int(word)


def finite(text: str | None) -> float | None:
    """A number that is neither infinite nor "nan"."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def moment(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as UTC; None beyond what a date can be."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
