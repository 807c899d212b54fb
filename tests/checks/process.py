"""A real server that a check starts: a port for it, and its end whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import httpx


class Started(Protocol):
    """`process` leads a session of its own."""

    process: subprocess.Popen[bytes]
    http: httpx.Client

    @property
    def log(self) -> list[str]: ...


@contextmanager
def ended(server: Started) -> Iterator[None]:
    """With the end of its log where something fails."""
    try:
        yield
    except BaseException:
        print("\n".join(server.log[-60:]))
        raise
    finally:
        if server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()
        server.http.close()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
