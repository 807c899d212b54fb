"""The stream of Ollama's pull call, as bytes over all its blobs.

https://github.com/ollama/ollama/blob/main/docs/api.md#pull-a-model: one JSON object a line, those of
a blob with its `digest`, `total` and, as it comes, `completed`. A small blob may come between two
lines: 0.32 then has none that says that all of it is there.
"""

from __future__ import annotations

import json
from typing import Any


class ModelPull:
    """Adds up the blobs of one model. A blob that was there before the call is no progress.

    `total_bytes` is None until a blob has begun to come; the first one is nearly all of the model.
    """

    def __init__(self) -> None:
        self._blobs: dict[str, tuple[int, int]] = {}
        self._there: set[str] = set()
        self.detail = ""

    @property
    def done_bytes(self) -> int:
        return sum(done for done, _ in self._blobs.values())

    @property
    def total_bytes(self) -> int | None:
        return sum(total for _, total in self._blobs.values()) or None

    def feed(self, line: str) -> None:
        """Read one line of the stream. Odd lines change nothing."""
        try:
            said: Any = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        digest = said.get("digest")
        if isinstance(digest, str):
            self._blob(digest, said.get("completed", 0), said.get("total"))
            self.detail = ""
        elif isinstance(said.get("status"), str):
            self.detail = said["status"]
            if self.detail == "success":
                self._blobs = {name: (total, total) for name, (_, total) in self._blobs.items()}

    def _blob(self, digest: str, done: object, total: object) -> None:
        if not (_is_size(done) and _is_size(total)) or digest in self._there:
            return
        assert isinstance(done, int)
        assert isinstance(total, int)
        if digest not in self._blobs and done >= total:
            self._there.add(digest)
            return
        before = self._blobs.get(digest, (0, 0))
        self._blobs[digest] = max(before[0], min(done, total)), max(before[1], total)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
