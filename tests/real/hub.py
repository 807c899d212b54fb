"""A model hub for tests: what `huggingface_hub` asks for, from made-up files of any size.

Files come as the real hub has them: by plain HTTP with ranges, or from its Xet storage, where a file
is put together from pieces of large objects (https://huggingface.co/docs/xet/index). What is in them
is the same block again and again, which no client looks at.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

COMMIT = hashlib.sha1(b"gptoss-tui").hexdigest()
CHUNK = 64 * 1024
# Before each chunk of a Xet object: version, packed size, scheme (0: not packed), size.
_HEADER = bytes((0, *CHUNK.to_bytes(3, "little"), 0, *CHUNK.to_bytes(3, "little")))
_BLOCK = random.Random(20).randbytes(CHUNK)
_IN_OBJECT = _HEADER + _BLOCK
_OBJECT_CHUNKS = 1000  # some 64 MiB, as the real ones
_PIECE = 64 * 1024


@dataclass(frozen=True)
class File:
    """A file of a model; its size is a whole number of chunks."""

    name: str
    size: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def xet_hash(self) -> str:
        return hashlib.sha256(f"xet {self.name}".encode()).hexdigest()

    def listed(self, xet: bool) -> dict[str, object]:
        """As the hub's tree lists it."""
        lfs = {"oid": self.sha256, "size": self.size, "pointerSize": 134}
        entry = {"type": "file", "path": self.name, "size": self.size, "oid": COMMIT, "lfs": lfs}
        return {**entry, "xetHash": self.xet_hash} if xet else entry

    def rebuilt(self, base: str, first: int, last: int) -> dict[str, object]:
        """From which objects the bytes `first` to `last` are put together."""
        terms: list[dict[str, object]] = []
        fetches: dict[str, list[dict[str, object]]] = {}
        chunk, end = first // CHUNK, min(last, self.size - 1) // CHUNK + 1
        while chunk < end:
            number, begin = divmod(chunk, _OBJECT_CHUNKS)
            stop = min(begin + end - chunk, _OBJECT_CHUNKS)
            name = hashlib.sha256(f"{self.name} {number}".encode()).hexdigest()
            span = {"start": begin, "end": stop}
            terms.append({"hash": name, "unpacked_length": (stop - begin) * CHUNK, "range": span})
            ours = {"start": begin * len(_IN_OBJECT), "end": stop * len(_IN_OBJECT) - 1}
            fetches[name] = [{"range": span, "url": f"{base}/objects/{name}", "url_range": ours}]
            chunk += stop - begin
        return {
            "offset_into_first_range": first % CHUNK,
            "terms": terms,
            "fetch_info": fetches,
        }


class Hub:
    """Serves `files` as the model `model` on 127.0.0.1, `xet` or plain. A context manager."""

    def __init__(self, model: str, files: tuple[File, ...], *, xet: bool) -> None:
        self.model, self.files, self.xet = model, {one.name: one for one in files}, xet
        self._lock = threading.Lock()
        self._cuts = 0
        self.sent = 0
        hub = self

        class Handler(_Handler):
            of = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.asked: list[str] = []

    @property
    def total_bytes(self) -> int:
        return sum(one.size for one in self.files.values())

    def cut(self, connections: int) -> None:
        """Break off this many of the bodies that are on their way."""
        with self._lock:
            self._cuts = connections

    def note_sent(self, size: int) -> bool:
        """So much more goes out; False where this body is to be broken off."""
        with self._lock:
            cut = self._cuts > 0
            self._cuts -= cut
            self.sent += 0 if cut else size
            return not cut

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, daemon=True, name="hub").start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Hub

    def log_message(self, format: str, *words: object) -> None:
        self.of.asked.append(format % words + " " + str(self.headers.get("Range")))

    @property
    def _base(self) -> str:
        return f"http://{self.headers['Host']}"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path, model = urlsplit(self.path).path, re.escape(self.of.model)
        if re.fullmatch(rf"/api/models/{model}(/revision/\w+)?", path):
            names = [{"rfilename": name} for name in self.of.files]
            self._json({"id": self.of.model, "sha": COMMIT, "siblings": names, "private": False})
        elif re.fullmatch(rf"/api/models/{model}/tree/\w+", path):
            self._json([one.listed(self.of.xet) for one in self.of.files.values()])
        elif re.fullmatch(rf"/api/models/{model}/xet-read-token/\w+", path):
            self._token()
        elif found := re.fullmatch(rf"/{model}/resolve/\w+/(.+)", path):
            self._file(self.of.files.get(found[1]))
        elif found := re.fullmatch(r"/v1/reconstructions/(\w+)", path):
            self._rebuild(found[1])
        elif path.startswith("/objects/"):
            self._body(_IN_OBJECT, _OBJECT_CHUNKS * len(_IN_OBJECT), {})
        else:
            self._json({"error": "not here"}, 404)

    def _json(self, said: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _token(self) -> None:
        until = 4_000_000_000
        self._json(
            {"accessToken": "made-up", "exp": until, "casUrl": self._base},
            headers={
                "X-Xet-Cas-Url": self._base,
                "X-Xet-Access-Token": "made-up",
                "X-Xet-Token-Expiration": str(until),
            },
        )

    def _file(self, file: File | None) -> None:
        if file is None:
            self._json({"error": "no such file"}, 404, {"X-Error-Code": "EntryNotFound"})
            return
        headers = {
            "ETag": f'"{file.sha256}"',
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{file.sha256}"',
            "X-Linked-Size": str(file.size),
        }
        if self.of.xet:
            route = f"{self._base}/api/models/{self.of.model}/xet-read-token/{COMMIT}"
            headers |= {"X-Xet-Hash": file.xet_hash, "Link": f'<{route}>; rel="xet-auth"'}
        self._body(_BLOCK, file.size, headers)

    def _rebuild(self, xet_hash: str) -> None:
        file = next((one for one in self.of.files.values() if one.xet_hash == xet_hash), None)
        first, last = self._range(file.size if file else 0)
        if file is None or first >= file.size:
            self._json({"error": "no such range"}, 404 if file is None else 416)
            return
        self._json(file.rebuilt(self._base, first, last))

    def _range(self, size: int) -> tuple[int, int]:
        found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if found is None:
            return 0, size - 1
        return int(found[1]), min(int(found[2] or size - 1), size - 1)

    def _body(self, block: bytes, size: int, headers: dict[str, str]) -> None:
        """`block` again and again up to `size`, or the part of it that was asked for."""
        first, last = self._range(size)
        self.send_response(206 if self.headers.get("Range") else 200)
        if self.headers.get("Range"):
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last + 1 - first))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in _pieces(block, first, last + 1):
            if not self.of.note_sent(len(piece)):
                self.close_connection = True
                return
            self.wfile.write(piece)


def _pieces(block: bytes, at: int, end: int) -> Iterator[bytes]:
    while at < end:
        begin = at % len(block)
        piece = block[begin : begin + min(_PIECE, end - at)]
        yield piece
        at += len(piece)
