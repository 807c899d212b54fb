"""The Docker Engine API over a box's streams: socket first, then `docker system dial-stdio`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpcore
import httpx

from gptoss_tui.domain.docker_failures import failure_of
from gptoss_tui.domain.parse.docker_load import loaded_images
from gptoss_tui.domain.parse.http_date import http_date
from gptoss_tui.errors import (
    DockerError,
    DockerPermissionError,
    NoDockerError,
    NotFoundError,
)
from gptoss_tui.remote import http
from gptoss_tui.remote.transport import Transport
from gptoss_tui.text import decode

Via = Literal["socket", "dial-stdio", "sudo dial-stdio"]

# The newest API that we read; older engines say what they speak. From 1.50 it tells of CDI devices.
NEWEST_API = (1, 50)
DEFAULT_SOCKET = "/var/run/docker.sock"
# A daemon that hangs accepts and never answers; there are three ways to find that out.
VERSION_S = 8.0


@dataclass(frozen=True)
class Door:
    """One way to the Engine: how its streams are opened."""

    via: Via
    opener: Callable[[], Awaitable[httpcore.AsyncNetworkStream]]


def doors(transport: Transport, socket: str = DEFAULT_SOCKET) -> tuple[Door, ...]:
    """The ways to Docker, the cheapest first: the socket needs no session channel at all."""

    def by_exec(*argv: str) -> Callable[[], Awaitable[httpcore.AsyncNetworkStream]]:
        return lambda: transport.open_exec(argv)

    dial = ("docker", "--host", f"unix://{socket}", "system", "dial-stdio")
    return (
        Door("socket", lambda: transport.open_unix(socket)),
        Door("dial-stdio", by_exec(*dial)),
        Door("sudo dial-stdio", by_exec("sudo", "-n", *dial)),
    )


class Docker:
    """A connected Engine: `version`, the API version both sides speak, whether it is podman's."""

    def __init__(
        self, client: httpx.AsyncClient, via: Via, version: str, api: str, *, podman: bool = False
    ) -> None:
        self._client = client
        self.podman = podman
        self.via = via
        self.version = version
        self.api = api
        # What the box's clock showed with the last answer, in nanoseconds since 1970.
        self.box_now: int | None = None

    @classmethod
    async def connect(cls, ways: Sequence[Door]) -> Docker:
        """Try the doors in order. Raises `NoDockerError` or `ConnectionLostError`."""
        why: list[str] = []
        for door in ways:
            client = http.client(door.opener, base_url="http://docker", timeout_s=15)
            try:
                reply = await http.read(client, "GET", "/version", timeout=VERSION_S)
                if reply.status_code != 200:
                    raise ValueError(f"it answered {reply.status_code}")
                about = dict(reply.json())
            except (httpx.HTTPError, ValueError, TypeError) as error:
                why.append(f"{door.via}: {str(error) or type(error).__name__}")
                await client.aclose()
                continue
            version, podman = str(about.get("Version", "?")), _is_podman(about)
            return cls(client, door.via, version, _common_api(about), podman=podman)
        raise NoDockerError(
            f"Docker does not answer ({'; '.join(why)}).",
            "Install Docker Engine, start it, and let this user reach its socket.",
        )

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """A JSON document. Raises `DockerError` or `NotFoundError`."""
        reply = await self._call("GET", path, params)
        try:
            return reply.json()
        except ValueError as error:
            raise DockerError(
                "Docker's answer cannot be read.", "Something else may listen on its socket."
            ) from error

    async def post(
        self, path: str, params: Mapping[str, str] | None = None, body: object = None
    ) -> None:
        """A change, with a `body` as JSON where it needs one; 304 ("already so") is fine."""
        await self._call("POST", path, params, body)

    async def delete(self, path: str, params: Mapping[str, str] | None = None) -> None:
        await self._call("DELETE", path, params)

    async def _call(
        self, method: str, path: str, params: Mapping[str, str] | None, body: object = None
    ) -> httpx.Response:
        timeout = httpx.Timeout(20, read=None if method == "POST" else 20)
        try:
            reply = await http.read(
                self._client, method, f"/v{self.api}{path}", params=params, json=body,
                timeout=timeout,
            )  # fmt: skip
        except httpx.HTTPError as error:
            raise _broken(error) from error
        self.box_now = _date_of(reply)
        if reply.status_code >= 400:
            raise _refusal(reply.status_code, reply.content)
        return reply

    async def load(self, parts: AsyncIterator[bytes]) -> tuple[str, ...]:
        """`POST /images/load`: the images that an archive held. Raises `DockerError`."""
        timeout = httpx.Timeout(20, read=None, write=None)
        try:
            async with self._client.stream(
                "POST", f"/v{self.api}/images/load", params={"quiet": "1"}, content=parts,
                headers={"Content-Type": "application/x-tar"}, timeout=timeout,
            ) as reply:  # fmt: skip
                said = await http.body_of(reply)
        except httpx.HTTPError as error:
            raise _broken(error) from error
        if reply.status_code >= 400:
            raise _refusal(reply.status_code, said)
        loaded, failure = loaded_images(decode(said))
        if failure or not loaded:
            raise DockerError(
                f"Docker could not load the image: {failure or 'it names none'}.",
                "Is the file what `docker save` wrote, and is there room on the box's disk?",
            )
        return loaded

    async def stream(
        self, path: str, params: Mapping[str, str] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of an endless answer, as they come. Close the iterator to end it."""
        timeout = httpx.Timeout(20, read=None)
        try:
            async with self._client.stream(
                "GET", f"/v{self.api}{path}", params=params, timeout=timeout
            ) as reply:
                if reply.status_code >= 400:
                    raise _refusal(reply.status_code, await http.body_of(reply))
                async for part in reply.aiter_raw():
                    yield part
        except httpx.HTTPError as error:
            raise _broken(error) from error

    async def aclose(self) -> None:
        await self._client.aclose()


def _is_podman(about: Mapping[str, Any]) -> bool:
    """Podman's service answers in Docker's place, with its own version."""
    parts = about.get("Components") or ()
    return any(
        "podman" in str(part.get("Name")).lower() for part in parts if isinstance(part, dict)
    )


def _common_api(about: Mapping[str, Any]) -> str:
    """The newest version both speak, from `GET /version` (which needs no version itself)."""
    server = _api_tuple(about.get("ApiVersion"), NEWEST_API)
    oldest = _api_tuple(about.get("MinAPIVersion"), (1, 12))
    major, minor = max(min(server, NEWEST_API), oldest)
    return f"{major}.{minor}"


def _api_tuple(text: object, default: tuple[int, int]) -> tuple[int, int]:
    try:
        major, minor = str(text).split(".")
        return int(major), int(minor)
    except ValueError:
        return default


def _date_of(reply: httpx.Response) -> int | None:
    told = http_date(reply.headers.get("Date"))
    return None if told is None else int(told.timestamp()) * 1_000_000_000


def _broken(error: httpx.HTTPError) -> DockerError:
    return DockerError(
        f"The conversation with Docker broke off: {str(error) or type(error).__name__}.",
        "Docker may be restarting, or the connection may be gone: look again.",
    )


def _refusal(status: int, body: bytes) -> DockerError | NotFoundError:
    try:
        said = str(json.loads(body).get("message", ""))
    except (json.JSONDecodeError, AttributeError):
        said = decode(body)[:300]
    message, next_step = failure_of("docker", said)
    if status == 404:
        return NotFoundError(message, next_step)
    if "permission denied" in said.lower():
        return DockerPermissionError(message, next_step)
    return DockerError(message, next_step)
