"""The SSH server of a simulated box: key login, channels, and OpenSSH's MaxSessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from gptoss_tui.sim.container import Container
from gptoss_tui.sim.docker_api import DockerApi
from gptoss_tui.sim.http import serve
from gptoss_tui.sim.metadata import ADDRESS, MetadataApi
from gptoss_tui.sim.servers import server
from gptoss_tui.sim.shell import Shell
from gptoss_tui.sim.world import World

MAX_SESSIONS = 10
DOCKER_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"

_Streams = Callable[[Any, Any], Awaitable[None]]


@dataclass
class Counters:
    """What the box has seen, for tests: connections (ever, and open), logins, sessions at once."""

    connections: int = 0
    links: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    logins: int = 0
    sessions: int = 0
    peak_sessions: int = 0

    @property
    def open(self) -> int:
        return len(self.links)

    async def hang_up(self) -> None:
        """End every connection that a client still holds open."""
        for link in tuple(self.links):
            link.abort()
            await link.wait_closed()


class BoxServer(asyncssh.SSHServer):
    """One connection's side of the box."""

    def __init__(self, world: World, counters: Counters, key: asyncssh.SSHKey) -> None:
        self._world = world
        self._counters = counters
        self._key = key
        self._connection: asyncssh.SSHServerConnection | None = None
        self._sessions = 0
        self._working: set[asyncio.Task[Any]] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._counters.connections += 1
        self._counters.links.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._counters.links.discard(self._connection)
        self._counters.sessions -= self._sessions
        self._sessions = 0
        for task in self._working:
            task.cancel()  # it may wait for something that nobody will see

    @asynccontextmanager
    async def _work(self) -> AsyncIterator[None]:
        """What goes on for a channel ends with the connection."""
        task = asyncio.current_task()
        assert task is not None
        self._working.add(task)
        try:
            yield
        finally:
            self._working.discard(task)

    def begin_auth(self, username: str) -> bool:
        return True

    def auth_completed(self) -> None:
        self._counters.logins += 1
        self._world.logged_in()

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data == self._key.public_data

    def session_requested(self) -> Any:
        if self._sessions >= MAX_SESSIONS or self._connection is None:
            return False
        self._sessions += 1
        self._counters.sessions += 1
        self._counters.peak_sessions = max(self._counters.peak_sessions, self._sessions)
        channel = self._connection.create_server_channel(encoding=None)
        self._connection.create_task(self._count(channel))
        return channel, self._session

    async def _count(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        """A session counts until its channel is closed on both sides."""
        await channel.wait_closed()
        if self._sessions:
            self._sessions -= 1
            self._counters.sessions -= 1

    async def _session(self, stdin: Any, stdout: Any, stderr: Any) -> None:
        status = 255
        try:
            command = stdout.channel.get_command()
            if command is None:
                stderr.write(b"A simulated box has no login shell: give it a command.\n")
                status = 1
            else:
                async with self._work():
                    status = await Shell(self._world, stdin, stdout, stderr).run(command)
        except (asyncssh.Error, ConnectionError, OSError):
            pass  # the client closed the channel: nobody is left to tell
        finally:
            stdout.channel.exit(status)

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Any:
        if (dest_host, dest_port) == ADDRESS and self._world.profile.cloud is not None:
            return self._served(MetadataApi(self._world).handle)
        container = self._world.serving(dest_port)
        handler = server(self._world, container) if container else None
        if container is None or handler is None:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_CONNECT_FAILED, "Connect failed: Connection refused"
            )
        return self._served(handler, container)

    def unix_connection_requested(self, dest_path: str) -> Any:
        profile = self._world.profile
        absent = profile.lacks_docker
        socket = PODMAN_SOCKET if profile.has("podman") else DOCKER_SOCKET
        if dest_path != socket or absent or profile.has("docker_denied"):
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "open failed")
        return self._served(DockerApi(self._world).handle)

    def _served(self, handler: Any, container: Container | None = None) -> _Streams:
        """Requests on one connection, which ends with the server in `container`."""

        async def streams(reader: Any, writer: Any) -> None:
            async with self._work():
                serving: asyncio.Task[None] = asyncio.create_task(
                    serve(reader, writer, handler), name="sim connection"
                )
                ending = serving
                if container is not None:
                    ending = asyncio.create_task(
                        self._world.ended(container), name=f"sim end of {container.name}"
                    )
                try:
                    await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
                    if serving.done():
                        serving.result()  # raises what is wrong with the handler
                finally:
                    serving.cancel()
                    ending.cancel()
                    await asyncio.gather(serving, ending, return_exceptions=True)

        return streams
