"""A pull's stream of JSON objects, as bytes over all layers that never go back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PullProgress:
    """Adds up the layers of one pull.

    `done_bytes` and `total_bytes` are of compressed layers. A layer that is there already has no
    size in the stream and counts for nothing in either; `total_bytes` is None until the first size
    was told, and grows while layers start.
    """

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._layers: set[str] = set()
        self._finished: set[str] = set()
        self._high = 0
        self.retries = 0
        self.error = ""

    @property
    def done_bytes(self) -> int:
        return self._high

    @property
    def total_bytes(self) -> int | None:
        return max(sum(self._totals.values()), self._high) if self._totals else None

    @property
    def detail(self) -> str:
        """How many layers are finished, and what else is worth a word."""
        if not self._layers:
            return ""
        text = f"{len(self._finished)} of {len(self._layers)} layers"
        return f"{text}, {self.retries} retries" if self.retries else text

    def feed(self, document: Mapping[str, Any]) -> None:
        """Read one object of the stream."""
        if error := document.get("error"):
            self.error = str(error)
            return
        if "message" in document and "status" not in document:
            self.error = str(document["message"])
            return
        layer = document.get("id")
        status = str(document.get("status") or "")
        if not isinstance(layer, str) or status.startswith("Pulling from"):
            return
        self._layers.add(layer)
        self._note(layer, status, document.get("progressDetail") or {})
        self._high = max(self._high, sum(self._done.values()))

    def _note(self, layer: str, status: str, detail: Mapping[str, Any]) -> None:
        if status == "Downloading":
            total = detail.get("total")
            if isinstance(total, int) and total > 0:
                self._totals[layer] = max(total, self._totals.get(layer, 0))
            current = detail.get("current")
            if isinstance(current, int):
                self._done[layer] = max(current, self._done.get(layer, 0))
        elif status in ("Verifying Checksum", "Download complete", "Extracting"):
            self._done[layer] = self._totals.get(layer, self._done.get(layer, 0))
        elif status in ("Pull complete", "Already exists"):
            self._done[layer] = self._totals.get(layer, self._done.get(layer, 0))
            self._finished.add(layer)
        elif status.startswith("Retrying"):
            self.retries += 1
