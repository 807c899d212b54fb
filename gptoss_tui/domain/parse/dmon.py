"""`nvidia-smi dmon`, line by line, into whole rounds: one sample for every GPU."""

from __future__ import annotations

from typing import Any

from gptoss_tui.domain.gpu import MIB, GpuSample

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


class DmonParser:
    """Columns go by their names in the header: 3 to 22 occur, in the order of `-s`.

    There is no mark between rounds, so a round is complete when as many rows came as in the first
    one, or when an index comes that this round already has. Torn rows are dropped.
    """

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._round: dict[int, GpuSample] = {}
        self._size: int | None = None

    def feed(self, line: str) -> tuple[GpuSample, ...] | None:
        """Read one line; the round that it completes, or None."""
        words = line.replace("#", " ").split()
        if "gpu" in words and not self._is_row(words):
            # pmon's header has a pid column: its rows are processes, not GPUs.
            self._columns = [] if "pid" in words else [word.lower() for word in words]
            return None
        sample = self._sample(words)
        return None if sample is None else self._add(sample)

    def flush(self) -> tuple[GpuSample, ...] | None:
        """The round that is under way, at the end of the stream."""
        return self._close() if self._round else None

    def _add(self, sample: GpuSample) -> tuple[GpuSample, ...] | None:
        if sample.index in self._round:
            done = self._close()
            self._round[sample.index] = sample
            if self._size == 1:
                # With one GPU every row is a round; the first showed that only now.
                return done if len(done) > 1 else self._only(done)
            return done
        self._round[sample.index] = sample
        if self._size is not None and len(self._round) >= self._size:
            return self._close()
        return None

    def _only(self, done: tuple[GpuSample, ...]) -> tuple[GpuSample, ...]:
        latest = tuple(self._round.values())
        self._round = {}
        return latest or done

    def _close(self) -> tuple[GpuSample, ...]:
        done = tuple(self._round.values())
        self._size = len(done)
        self._round = {}
        return done

    def _is_row(self, words: list[str]) -> bool:
        return bool(words) and words[0].isdigit()

    def _sample(self, words: list[str]) -> GpuSample | None:
        if not self._columns or len(words) != len(self._columns):
            return None
        row = dict(zip(self._columns, words, strict=True))
        if not row.get("gpu", "").isdigit():
            return None
        figures: dict[str, Any] = {}
        for column, word in row.items():
            field, scale = _COLUMNS.get(column, ("", 1))
            value = _number(word)
            if field and value is not None:
                figures[field] = round(value * scale) if field.endswith("_bytes") else value
        return GpuSample(index=int(row["gpu"]), **figures)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
