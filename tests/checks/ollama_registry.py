"""Ollama's registry on 127.0.0.1, behind a proxy: a pull asks for `registry.ollama.ai`, and is here.

The server is given a proxy (`HTTPS_PROXY`) and its authority (`SSL_CERT_FILE`), and nothing else, so
that its calls are those it always makes: the manifest, a redirect to where the blobs are stored, and
ranges from there. https://distribution.github.io/distribution/spec/api/.
"""

from __future__ import annotations

import datetime
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.checks.ollama_model import Layer, LibraryModel

REGISTRY, STORAGE = "registry.ollama.ai", "storage.example.com"
_MANIFEST = re.compile(r"/v2/library/([\w.-]+)/manifests/([\w.-]+)")
_BLOB = re.compile(r"/(?:v2/library/[\w.-]+/blobs|stored)/(sha256:[0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class Registry:
    """Serves `models` by their names, as "gpt-oss:20b". A context manager.

    While `whole` is not set, a blob of more than `HELD` bytes stops in its middle; `cut` breaks that
    transfer off. `ranges` are the first bytes that were asked for of such blobs.
    """

    HELD = 100_000

    def __init__(self, models: dict[str, LibraryModel], folder: Path) -> None:
        self.models = models
        self.whole, self.cut = threading.Event(), threading.Event()
        self.ranges: list[int] = []
        self.authority = folder / "authority.pem"
        self._blobs = {
            layer.digest: layer
            for model in models.values()
            for layer in (*model.layers, model.config)
        }
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(_certificate(self.authority))
        self._server = _Server(("127.0.0.1", 0), _Tunnel)
        self._server.registry = self
        self._thread = threading.Thread(target=self._server.serve_forever, name="registry")

    @property
    def environment(self) -> dict[str, str]:
        """What a server is started with so that it pulls from here."""
        proxy = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": str(self.authority)}

    def blob(self, digest: str) -> Layer | None:
        return self._blobs.get(digest)

    def __enter__(self) -> Registry:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.whole.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    registry: Registry
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no failure here."""


class _Tunnel(BaseHTTPRequestHandler):
    """The proxy: whatever name is asked for, the answers come from here."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        inside = self.server.registry.tls.wrap_socket(self.connection, server_side=True)
        try:
            _Inside(inside, self.client_address, self.server)
        finally:
            inside.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Inside(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        registry = self.server.registry
        if asked := _MANIFEST.fullmatch(self.path):
            model = registry.models.get(f"{asked[1]}:{asked[2]}")
            if model is None:
                return self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            return self._answer(200, model.manifest())
        named = _BLOB.fullmatch(self.path)
        layer = registry.blob(named[1]) if named else None
        if layer is None:
            return self._answer(404, b"")
        if self.headers["Host"] == REGISTRY:
            place = f"https://{STORAGE}/stored/{layer.digest}"
            return self._answer(307, b"", Location=place)
        self._stored(layer)
        return None

    def _stored(self, layer: Layer) -> None:
        registry, data = self.server.registry, layer.data
        span = _RANGE.fullmatch(self.headers.get("Range", ""))
        first, last = (int(span[1]), int(span[2])) if span else (0, len(data) - 1)
        part = data[first : last + 1]
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if len(data) <= registry.HELD or registry.whole.is_set():
            self.wfile.write(part)
            return
        registry.ranges.append(first)
        middle = max(0, len(data) // 2 - first)
        self.wfile.write(part[:middle])
        while not registry.whole.wait(0.05):
            if registry.cut.is_set():
                registry.cut.clear()
                self.close_connection = True
                return
        self.wfile.write(part[middle:])

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _certificate(file: Path) -> Path:
    """A key and a certificate for both names in one file; it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, REGISTRY)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(REGISTRY), x509.DNSName(STORAGE)]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file
