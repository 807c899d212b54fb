"""How far the pull of the image is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gptoss_tui.domain.pace import Pace
from gptoss_tui.domain.parse.docker_pull import PullProgress
from gptoss_tui.domain.progress import MOST
from gptoss_tui.domain.pull_time import Unpacking, behind, known_left_s, worked_off

_UNPACKING_QUIET_S = 120.0  # at the end of a layer


class PullAdvance:
    """The pull. Feed it Docker's lines, and the time of the box each second."""

    def __init__(self, unpack_bytes_per_s: float | None = None) -> None:
        self._pull = PullProgress()
        self._pace = Pace()
        self._unpacking = Unpacking(unpack_bytes_per_s)
        self._fraction: float | None = None
        self._why = ""

    @property
    def error(self) -> str:
        return self._pull.error

    def feed(self, line: str) -> None:
        try:
            document: Any = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(document, Mapping):
            before = self._pull.worked
            self._pull.feed(document)
            if self._pull.worked > before:
                self._why = ""

    def sizes(self, text: str) -> None:
        self._pull.sizes(text)

    def again(self, rest: str) -> None:
        """The pull broke and is tried again: "SECONDS WHY"."""
        pause, _, why = rest.partition(" ")
        self._pull.again()
        self._pace.begin_again()
        self._why = f"{why.strip() or 'it broke off'}: again in {pause} s"

    def given_up(self) -> None:
        """It is tried no more."""
        self._why = ""

    def tick(self, at: datetime) -> None:
        seconds = at.timestamp()
        self._pace.note(seconds, self._pull.moved_bytes, self._pull.worked)
        layers = tuple(self._pull.layers.values())
        busy = behind(layers) and not self._why
        self._unpacking.note(seconds, worked_off(layers), busy)

    @property
    def fields(self) -> dict[str, Any]:
        """The phase's fields as they stand."""
        pull = self._pull
        return {
            "done_bytes": pull.done_bytes if pull.layers else None,
            "total_bytes": pull.total_bytes,
            "fraction": self._advance(),
            "rate_bytes_per_s": None if pull.loaded else self._pace.rate,
            "left_s": self._left(),
            "stalled_s": self._stalled(),
            "unpack_bytes_per_s": self._unpacking.seen,
            "retries": pull.retries,
            "detail": ", ".join(text for text in (self._why, pull.detail) if text),
        }

    def _advance(self) -> float | None:
        if self._pull.total_bytes:
            now = min(MOST, self._pull.done_bytes / self._pull.total_bytes)
            self._fraction = max(now, self._fraction or 0.0)
        return self._fraction

    def _left(self) -> float | None:
        pull = self._pull
        rate = self._pace.rate
        if pull.total_bytes is None or (rate is None and not pull.loaded):
            return None
        layers = tuple(pull.layers.values())
        return known_left_s(layers, rate or 1.0, self._pace.unsure, self._unpacking)

    def _stalled(self) -> float | None:
        silent = self._pace.stalled_s
        if silent is None or (self._pull.unpacking and silent < _UNPACKING_QUIET_S):
            return None
        return silent
