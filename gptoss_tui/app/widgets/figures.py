"""Figures as an operator reads them. Unknown is `--`, never 0."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.text import clean_line

UNKNOWN = "--"


def whole(value: float | None, unit: str = "") -> str:
    """`97.4` as `97`, with the unit glued to it."""
    return UNKNOWN if value is None else f"{value:.0f}{unit}"


def count(value: float | None) -> str:
    """A count or a rate in at most five characters or so: `0.4`, `12`, `1234`, `12.3k`, `1.20M`."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    if size >= 999_500:
        return f"{value / 1e6:.2f}M"
    if size >= 9_999.5:
        return f"{value / 1e3:.1f}k"
    if size >= 9.95 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}"


def gib(value: int | None) -> str:
    """Bytes in GiB with one decimal, without the unit."""
    return UNKNOWN if value is None else f"{value / GIB:.1f}"


def size(value: int | None) -> str:
    """Bytes with the unit that suits them, short: `0`, `640M`, `1.2G`."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    return f"{value / GIB:.1f}G" if value >= GIB else f"{value / MIB:.0f}M"


def seconds(value: float | None) -> str:
    """A latency: `84 ms`, `1.24 s`, `75 s`."""
    if value is None:
        return UNKNOWN
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def percent(ratio: float | None) -> str:
    """A ratio of 0.0 to 1.0 as `34 %`."""
    return UNKNOWN if ratio is None else f"{ratio * 100:.0f} %"


def age(value: float) -> str:
    """How long ago or since when, in words: `12 s`, `4 min`, `3 h 05 min`, `2 d 3 h`."""
    whole_s = max(0, int(value))
    if whole_s < 100:
        return f"{whole_s} s"
    minutes = whole_s // 60
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def foreign(text: str | None, limit: int = 200) -> str:
    """A name from a box, fit for one line of the screen; `--` where there is none."""
    return (clean_line(text, limit) if text else "") or UNKNOWN


def left(text: str, width: int) -> str:
    """`text` in exactly `width` cells, flush left, with an ellipsis where it is cut."""
    if width <= 0:
        return ""
    if cell_len(text) > width:
        return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width)
    return set_cell_size(text, width)


def right(text: str, width: int) -> str:
    """`text` flush right in `width` cells."""
    return " " * (width - cell_len(text)) + text if cell_len(text) < width else left(text, width)
