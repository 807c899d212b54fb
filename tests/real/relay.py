"""A TCP relay that can hold back what flows through it: a pull stops where the test wants it.

It can also delay what flows, both ways alike: the kernel of a test machine may have no `netem`.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

BLOCK = 65536
WAITING = 256  # blocks that are on their way, at most


class Relay:
    """Listens on `host`, carries each connection to `target`. Use it as a context manager.

    With a `delay_s` every block arrives so much later; it may be changed at any time, for what is
    read from then on. Without one (None) nothing is delayed, ever.
    """

    def __init__(self, host: str, target: tuple[str, int], *, delay_s: float | None = None) -> None:
        self.delay_s = delay_s
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
            # In a thread of its own: a target that is silent must not hold up the next client.
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        for pair in ((client, server, False), (server, client, True)):
            threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, gated: bool) -> None:
        line = None if self.delay_s is None else _Line(sink, self._delay)
        send = sink.sendall if line is None else line.put
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                if gated:
                    self._pass(len(block))
                send(block)
        if line is not None:
            line.end()
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def _delay(self) -> float:
        return self.delay_s or 0.0

    def _pass(self, size: int) -> None:
        with self._changed:
            while self._budget is not None and self._budget < size:
                self.held.set()
                self._changed.wait()
            if self._budget is not None:
                self._budget -= size


class _Line:
    """Hands blocks to `sink` in their order, each `delay` seconds after it was put."""

    def __init__(self, sink: socket.socket, delay: Callable[[], float]) -> None:
        self._sink = sink
        self._delay = delay
        self._blocks: queue.Queue[tuple[float, bytes] | None] = queue.Queue(WAITING)
        self._broken = threading.Event()
        self._thread = threading.Thread(target=self._deliver, daemon=True)
        self._thread.start()

    def put(self, block: bytes) -> None:
        if self._broken.is_set():
            raise BrokenPipeError
        self._blocks.put((time.monotonic() + self._delay(), block))

    def end(self) -> None:
        """Wait until all has been delivered."""
        self._blocks.put(None)
        self._thread.join()

    def _deliver(self) -> None:
        while (item := self._blocks.get()) is not None:
            due, block = item
            if self._broken.wait(max(0.0, due - time.monotonic())):
                continue  # what nobody takes is only taken out
            try:
                self._sink.sendall(block)
            except OSError:
                self._broken.set()
