"""A TCP relay that can hold back what flows through it: a pull stops where the test wants it."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

BLOCK = 65536


class Relay:
    """Listens on `host`, carries each connection to `target`. Use it as a context manager."""

    def __init__(self, host: str, target: tuple[str, int]) -> None:
        self._listener = socket.create_server((host, 0))
        self._target = target
        self._budget: int | None = None
        self._changed = threading.Condition()
        self.port: int = self._listener.getsockname()[1]
        self.held = threading.Event()

    def hold_after(self, size: int) -> None:
        """Let `size` more bytes through to the client, then nothing until `release`."""
        with self._changed:
            self._budget = size
            self.held.clear()

    def release(self) -> None:
        with self._changed:
            self._budget = None
            self._changed.notify_all()

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True, name="relay").start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            for pair in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, gated: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                if gated:
                    self._pass(len(block))
                sink.sendall(block)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def _pass(self, size: int) -> None:
        with self._changed:
            while self._budget is not None and self._budget < size:
                self.held.set()
                self._changed.wait()
            if self._budget is not None:
                self._budget -= size
