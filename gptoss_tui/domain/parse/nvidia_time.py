"""The times that `nvidia-smi` prints: those of `dmon -o DT`, and of `--query-gpu=timestamp`.

Neither has a zone. Under `TZ=UTC0` they are UTC, without the hour that a summer takes or gives.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DATE = re.compile(r"(\d{4})[/-]?(\d\d)[/-]?(\d\d)")
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?")


def utc_time(date: str | None, time: str | None) -> datetime | None:
    """ "20260901" or "2026/09/01", and "10:11:12" or "10:11:12.345", as UTC; None for all else."""
    day, clock = _DATE.fullmatch(date or ""), _TIME.fullmatch(time or "")
    if day is None or clock is None:
        return None
    year, month, number = (int(part) for part in day.groups())
    hour, minute, second = (int(part) for part in clock.groups()[:3])
    fraction = int((clock[4] or "").ljust(6, "0"))
    try:
        return datetime(year, month, number, hour, minute, second, fraction, tzinfo=UTC)
    except ValueError:
        return None
