"""How far the weights are: what of the model is on the disk, and what its client has received.

The Hugging Face client for Xet storage, where GPT-OSS lies, holds what it receives in memory until a
whole block of 64 MiB is there, several gigabytes in all, and then writes it: on the disk nothing
moves for a while, and then much at once (https://huggingface.co/docs/xet/download-protocol). So the
rate and the time left go by what the container has received, where that is known.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.pace import Pace
from gptoss_tui.domain.parse.numbers import whole
from gptoss_tui.domain.parse.ollama_pull import ModelPull
from gptoss_tui.domain.progress import MOST

_GRACE_S = 180.0  # an engine may take minutes to begin with its download
_ALL_BUT = 0.995  # the configuration and the tokenizer are on the disk too
# The most that the client keeps in memory (HF_XET_RECONSTRUCTION_DOWNLOAD_BUFFER_LIMIT).
_IN_MEMORY = 8 * 10**9
# Encryption and the frames around the pieces.
_OVERHEAD = 0.002
_WORTH_TELLING = 64 * MIB
_GOOD = 1.25  # a time left is told when the rate is known to that factor


class WeightsAdvance:
    """The model's files as they come onto the disk of the box, or by a server's own pull call."""

    def __init__(self, total_bytes: int | None) -> None:
        self._total = total_bytes
        self._model = ModelPull()
        self._done: int | None = None  # as shown: it never goes back
        self._held = 0  # as it is: a broken download's file is thrown away
        self._written = 0
        self._received_before: int | None = None
        self._received = 0
        self._fraction = 0.0
        self._pace = Pace(_GRACE_S)

    def weigh(self, text: str) -> None:
        """ "HELD_KIB [RECEIVED_KIB]": what is on the disk, what the container has received so far.

        What was there before the launch is no progress.
        """
        held_kib, _, received_kib = text.partition(" ")
        kib, received = whole(held_kib), whole(received_kib)
        if self._total is None or kib is None or kib < 0:
            return
        held = kib * 1024
        if self._done is None:
            if held >= self._total:
                return
            self._held = held
        self._written += max(0, held - self._held)
        self._held = held
        self._done = max(self._done or 0, min(held, self._total))
        if received is not None and received >= 0:
            self._receive(received * 1024)

    def _receive(self, size: int) -> None:
        if self._received_before is None:
            self._received_before = size
        came = int((size - self._received_before) * (1 - _OVERHEAD))
        self._received = max(self._received, came)

    def feed(self, line: str) -> None:
        """One line of a server's pull call, which tells its bytes itself."""
        self._model.feed(line)
        if self._model.total_bytes is not None:
            done = self._model.done_bytes
            self._total = self._model.total_bytes
            self._written += max(0, done - self._held)
            self._held = done
            self._done = max(self._done or 0, done)

    def tick(self, at: datetime) -> None:
        if self._done is not None:
            self._pace.note(at.timestamp(), self._written + self._in_memory)

    @property
    def _in_memory(self) -> int:
        return min(max(0, self._received - self._written), _IN_MEMORY)

    @property
    def fields(self) -> dict[str, Any]:
        """The phase's fields as they stand; none where nothing is downloaded."""
        if self._done is None or not self._total:
            return {}
        rate = self._pace.rate
        left = self._total - self._held - self._in_memory
        came = left <= (1 - _ALL_BUT) * self._total
        return {
            "done_bytes": self._done,
            "total_bytes": self._total,
            "fraction": self._advance(),
            "rate_bytes_per_s": None if came else rate,
            "left_s": None if rate is None or came or self._pace.unsure > _GOOD else left / rate,
            "stalled_s": None if came else self._pace.stalled_s,
            "detail": self._detail(came),
        }

    def _advance(self) -> float:
        """It stays where it was when more is found to come."""
        now = min(MOST, (self._done or 0) / self._total) if self._total else 0.0
        self._fraction = max(now, self._fraction)
        return self._fraction

    def _detail(self, came: bool) -> str:
        size = self._in_memory
        if size < _WORTH_TELLING:
            return ""
        told = f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"
        return f"{told} more in memory, being written" if came else f"{told} more in memory"
