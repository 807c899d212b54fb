"""A relay that lets so many bytes a second through to its clients, over all connections together."""

from __future__ import annotations

import threading
import time

from tests.real.relay import Relay


class Throttle(Relay):
    """`Relay` at a known rate."""

    def __init__(self, host: str, target: tuple[str, int], bytes_per_s: float) -> None:
        super().__init__(host, target)
        self.bytes_per_s = bytes_per_s
        self._free_at = 0.0
        self._turn = threading.Lock()

    def __enter__(self) -> Throttle:
        super().__enter__()
        return self

    def _pass(self, size: int) -> None:
        super()._pass(size)
        with self._turn:
            self._free_at = max(time.monotonic(), self._free_at) + size / self.bytes_per_s
            wait = self._free_at - time.monotonic()
        time.sleep(max(0.0, wait))
