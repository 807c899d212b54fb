"""`nvidia-smi dmon`, line by line, into whole rounds: one sample for every GPU."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gptoss_tui.domain.gpu import MIB, GpuSample
from gptoss_tui.domain.parse.numbers import finite, whole
from gptoss_tui.domain.parse.nvidia_time import utc_time

_COLUMNS: dict[str, tuple[str, float]] = {
    "pwr": ("power_w", 1),
    "gtemp": ("gpu_temp_c", 1),
    "temp": ("gpu_temp_c", 1),
    "mtemp": ("memory_temp_c", 1),
    "sm": ("sm_pct", 1),
    "mem": ("memory_pct", 1),
    "enc": ("encoder_pct", 1),
    "dec": ("decoder_pct", 1),
    "jpg": ("jpeg_pct", 1),
    "ofa": ("optical_flow_pct", 1),
    "fb": ("memory_used_bytes", MIB),
    "bar1": ("bar1_used_bytes", MIB),
    "ccpm": ("confidential_used_bytes", MIB),
}


@dataclass(frozen=True)
class Round:
    """One sample for every GPU, and when the box took the first of them.

    In whole seconds; None where the rows carry no date and time (they do with `-o DT`).
    """

    gpus: tuple[GpuSample, ...]
    at: datetime | None = None


class DmonParser:
    """Columns go by their names in the header: 3 to 22 occur, in the order of `-s`.

    There is no mark between rounds: rows come in the order of their index, so a smaller or equal
    index begins a new one. How many rows the last round had tells when this one is complete, so
    that nobody waits for the next. Torn rows are dropped.
    """

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._round: list[GpuSample] = []
        self._at: datetime | None = None
        self._last_index = -1
        self._seen = 0
        self._size: int | None = None

    @property
    def began(self) -> bool:
        """Whether there was a header: what came so far is a table and no refusal."""
        return bool(self._columns)

    def feed(self, line: str) -> list[Round]:
        """Read one line; the rounds that it completes: none, one, or (the second row of all) two."""
        words = line.replace("#", " ").split()
        if "gpu" in words and not words[0].isdigit():
            # pmon's header has a pid column: its rows are processes, not GPUs.
            self._columns = [] if "pid" in words else [word.lower() for word in words]
            return []
        if not self._columns or len(words) != len(self._columns):
            return []
        row = dict(zip(self._columns, words, strict=True))
        sample = _sample(row)
        if sample is None:
            return []
        return self._add(sample, utc_time(row.get("date"), row.get("time")))

    def flush(self) -> list[Round]:
        """The round that is under way, at the end of the stream."""
        return self._taken()

    def _add(self, sample: GpuSample, at: datetime | None) -> list[Round]:
        finished: list[Round] = []
        if sample.index <= self._last_index:
            finished = self._taken()
            self._size, self._seen = self._seen, 0
        self._last_index = sample.index
        self._seen += 1
        if not self._round:
            self._at = at
        self._round.append(sample)
        if self._size is not None and self._seen >= self._size:
            finished += self._taken()
        return finished

    def _taken(self) -> list[Round]:
        taken, self._round = tuple(self._round), []
        return [Round(taken, self._at)] if taken else []


def _sample(row: dict[str, str]) -> GpuSample | None:
    index = whole(row.get("gpu"))
    if index is None or index < 0:
        return None
    figures: dict[str, Any] = {}
    for column, word in row.items():
        field, scale = _COLUMNS.get(column, ("", 1))
        value = finite(word)
        if field and value is not None:
            figures[field] = round(value * scale) if field.endswith("_bytes") else value
    return GpuSample(index=index, **figures)
