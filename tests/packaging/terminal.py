"""A program in a terminal of its own, as far as these tests need one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class Terminal:
    """The master side of a pty, and the program on the other."""

    def __init__(self, master: int, program: subprocess.Popen[bytes]) -> None:
        self._master = master
        self._program = program
        self._seen = b""

    def wait_for(self, needle: str, within_s: float = 60) -> None:
        """Until `needle` was printed. Fails when the program ends or the time is over."""
        deadline = time.monotonic() + within_s
        while needle.encode() not in self._seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{needle!r} did not come; last: {self._seen[-800:]!r}"
            assert self._read(left), f"the program ended before {needle!r}: {self._seen[-800:]!r}"

    def _read(self, within_s: float) -> bool:
        if not select.select([self._master], [], [], within_s)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux tells the end of the other side by an error
            return False
        self._seen += data
        return bool(data)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self, within_s: float = 30) -> int:
        """The exit code, once the program has ended by itself. Goes on reading meanwhile."""
        deadline = time.monotonic() + within_s
        while self._program.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; last: {self._seen[-400:]!r}"
            if not self._read(0.2):
                return self._program.wait(timeout=within_s)
        return self._program.returncode


@contextmanager
def terminal(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, size: tuple[int, int] = (100, 30)
) -> Iterator[Terminal]:
    """Run `argv` in a terminal of `size` columns and rows; it is ended with the context."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    program = subprocess.Popen(
        argv,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**env, "TERM": "xterm-256color"},
        cwd=cwd,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, program)
    finally:
        program.kill()
        program.wait()
        os.close(master)
