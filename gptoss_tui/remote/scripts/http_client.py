"""HTTP for the launch helper where the box has no curl. Python 3.6, standard library only.

(Not named http.py: it would stand in the way of the library's own `http`.)

http_client.py SOCKET LIMIT METHOD PATH [BODY_FILE [CONTENT_TYPE]]   body to stdout, status to ./status
                                               LIMIT: seconds of silence, 0 for any
http_client.py --health URL                                    exit 0 on status 200
http_client.py --post URL LIMIT BODY_FILE HEADERS_FILE         a POST of JSON, told as above
"""

import http.client
import os
import socket
import sys
import urllib.error
import urllib.request


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, limit: float) -> None:
        super().__init__("docker")
        self.path = path
        self.limit = limit or None

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.limit)
        self.sock.connect(self.path)


def call(  # noqa: PLR0917
    path: str,
    limit: str,
    method: str,
    target: str,
    body_file: str = "",
    content_type: str = "application/json",
) -> None:
    connection = UnixConnection(path, float(limit))
    body = None
    if body_file:
        with open(body_file, "rb") as file:
            body = file.read()
    connection.request(method, target, body, {"Content-Type": content_type} if body else {})
    reply = connection.getresponse()
    while True:
        block = reply.read1(65536)
        if not block:
            break
        os.write(1, block)
    with open("status", "w") as file:
        file.write(str(reply.status) + "\n")


def post(url: str, limit: str, body_file: str, headers_file: str) -> None:
    headers = {"Content-Type": "application/json"}
    with open(headers_file) as file:
        for line in file:
            name, _, value = line.strip().partition(": ")
            headers[name] = value
    with open(body_file, "rb") as file:
        request = urllib.request.Request(url, file.read(), headers)  # noqa: S310  our own server
    try:
        reply = direct.open(request, timeout=float(limit) or None)
    except urllib.error.HTTPError as error:
        reply = error
    with open("status", "w") as file:
        file.write(str(reply.status if hasattr(reply, "status") else reply.code) + "\n")
    while True:
        block = reply.read1(65536) if hasattr(reply, "read1") else reply.read(65536)
        if not block:
            break
        os.write(1, block)


direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
if sys.argv[1] == "--health":
    sys.exit(0 if direct.open(sys.argv[2], timeout=5).status == 200 else 1)
elif sys.argv[1] == "--post":
    post(*sys.argv[2:])
else:
    call(*sys.argv[1:])
