"""A date as HTTP and mail write it (RFC 9110, section 5.6.7)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def http_date(text: object) -> datetime | None:
    """`Thu, 26 Nov 2026 02:34:46 GMT` in UTC; None for anything else, a missing header (None) too."""
    try:
        found = parsedate_to_datetime(str(text))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
