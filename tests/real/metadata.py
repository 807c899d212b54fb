"""The metadata service of a spot instance of EC2 (IMDSv2), as its documentation has it.

`python metadata.py DIR` runs in a box. DIR/instance-action is the notice; until it is there, the
answer is 404. Each request is noted in DIR/asked. With DIR/off the service is turned off, with DIR/far
a token does not come as far as it was asked from.
"""

from __future__ import annotations

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[-1])
TOKEN = "AQAEAEdQdf"
ROOT = "/latest/meta-data"


class Service(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, text: str = "") -> None:
        if (FOLDER / "off").exists():
            status, text = 403, ""
        with (FOLDER / "asked").open("a") as noted:
            noted.write(f"{self.command} {self.path} {status}\n")
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self) -> None:
        wanted = "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
        while (FOLDER / "far").exists():
            time.sleep(0.1)
        known = self.path == "/latest/api/token" and "X-Forwarded-For" not in self.headers
        self.answer(200 if wanted and known else 400, TOKEN if wanted and known else "")

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            self.answer(401)
        elif self.path == f"{ROOT}/instance-life-cycle":
            self.answer(200, "spot")
        elif self.path == f"{ROOT}/spot/instance-action" and (FOLDER / "instance-action").exists():
            self.answer(200, (FOLDER / "instance-action").read_text())
        else:
            self.answer(404, "<html>not found</html>")

    def log_message(self, *_: object) -> None:
        """Its standard error is nobody's."""


if __name__ == "__main__":
    ThreadingHTTPServer(("169.254.169.254", 80), Service).serve_forever()
