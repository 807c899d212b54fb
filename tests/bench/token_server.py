"""`token_server.py PORT`: an inference server's HTTP with nothing behind it, for both sides alike.

POST to a path with /chat/ streams 500 tokens in a second, by a clock that does not drift. What
the first message says is how many seconds the first one takes; it comes in one piece with the header,
so the first byte is the first token. GET /big is a body of 100 MB.
"""

from __future__ import annotations

import json
import socketserver
import sys
import time
from collections.abc import Mapping
from io import BufferedIOBase

TOKENS = 500
TOKENS_PER_S = 500
BIG = 100_000_000
BLOCK = 65536


class Handler(socketserver.StreamRequestHandler):
    """One connection, with any number of requests."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            while request := _request(self.rfile):
                self._answer(*request)
        except OSError:
            pass  # the client left

    def _answer(self, path: str, body: bytes) -> None:
        if path == "/big":
            self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n".encode())
            block = b"x" * BLOCK
            for sent in range(0, BIG, BLOCK):
                self.wfile.write(block[: BIG - sent])
        elif "/chat/" in path:
            self._chat(float(json.loads(body)["messages"][0]["content"]))
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def _chat(self, prefill_s: float) -> None:
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        began = time.perf_counter() + prefill_s
        for number in range(TOKENS):
            early = began + number / TOKENS_PER_S - time.perf_counter()
            if early > 0:
                time.sleep(early)
            said = {"choices": [{"index": 0, "delta": {"content": f"token {number} "}}]}
            self.wfile.write((head if number == 0 else b"") + _chunk(_event(said)))
        usage = {"prompt_tokens": 1, "completion_tokens": TOKENS}
        last = _event({"choices": [], "usage": usage}) + b"data: [DONE]\n\n"
        self.wfile.write(_chunk(last) + _chunk(b""))


def _event(said: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _request(stream: BufferedIOBase) -> tuple[str, bytes] | None:
    """Read one request: its path and its body; None when there is none any more."""
    line = stream.readline().split()
    length = 0
    while (header := stream.readline()) not in (b"\r\n", b""):
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = stream.read(length)
    return (line[1].decode(), body) if len(line) > 1 else None


class Server(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        server.serve_forever()
