"""A program in a pseudo-terminal of a known size, its output read as it comes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from types import TracebackType

WIDE = (160, 48)


class Terminal:
    """`with Terminal(argv, env) as terminal:`: starts the program and, at the end, ends it."""

    def __init__(
        self, argv: Sequence[str], env: dict[str, str], size: tuple[int, int] = WIDE
    ) -> None:
        self.began = time.perf_counter()
        self.output = bytearray()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        environment = {**env, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(0.05)  # a program that cannot write cannot end
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait(self, seen: Callable[[bytes], bool], what: str, seconds: float = 30.0) -> float:
        """Read until `seen(output)`; the seconds since the start. Raises `TimeoutError`."""
        deadline = time.monotonic() + seconds
        while not seen(bytes(self.output)):
            if time.monotonic() > deadline or self.process.poll() is not None:
                tail = bytes(self.output[-2000:]).decode(errors="replace")
                raise TimeoutError(f"never seen: {what}. The last output was {tail!r}")
            self._read(0.5)
        return time.perf_counter() - self.began

    def drain(self, seconds: float) -> None:
        """Read and forget, as a terminal does, for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)
            self.output.clear()

    def _read(self, seconds: float) -> None:
        if select.select([self._master], [], [], seconds)[0]:
            try:
                self.output += os.read(self._master, 1 << 16)
            except OSError:  # the program has closed its side
                time.sleep(0.01)
