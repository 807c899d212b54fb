"""SSH servers in this process that ask, refuse and forward as a test wants; and a dialer for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import asyncssh
from asyncssh.forward import SSHForwarder

from gptoss_tui.domain.prompts import Prompter, PromptRequest
from gptoss_tui.domain.secret import Secret
from gptoss_tui.remote.ssh_connect import ConnectOptions, Dialer, Opened
from gptoss_tui.remote.target import parse_target

PASSWORD, CODE = "correct horse", "246810"


def _new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@dataclass
class Door:
    """A server: what it wants for a login, and what it has seen."""

    methods: tuple[str, ...] = ("publickey",)
    keys: tuple[str, ...] = ()
    authority: str = ""
    host_key: asyncssh.SSHKey = field(
        default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519")
    )
    certificate: asyncssh.SSHCertificate | None = None
    challenge: tuple[str, str, list[tuple[str, bool]]] = ("", "", [("Password: ", False)])
    answers: tuple[str, ...] = (PASSWORD,)
    forwards: bool = True
    opens: asyncio.Event | None = None  # it forwards once this is set
    requested: int = 0
    algorithms: dict[str, list[str]] = field(default_factory=dict)
    port: int = 0
    connections: int = 0
    logins: int = 0
    offered: list[str] = field(default_factory=list)
    tried: list[tuple[str, ...]] = field(default_factory=list)
    sides: list[asyncssh.SSHServerConnection] = field(default_factory=list)


class _Server(asyncssh.SSHServer):
    def __init__(self, door: Door) -> None:
        self._door = door

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._door.connections += 1
        self._door.sides.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def auth_completed(self) -> None:
        self._door.logins += 1

    def public_key_auth_supported(self) -> bool:
        return "publickey" in self._door.methods

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._door.offered.append(key.get_fingerprint())
        return key.get_fingerprint() in self._door.keys

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.get_fingerprint() == self._door.authority

    def password_auth_supported(self) -> bool:
        return "password" in self._door.methods

    def validate_password(self, username: str, password: str) -> bool:
        self._door.tried.append((password,))
        return (password,) == self._door.answers

    def kbdint_auth_supported(self) -> bool:
        return "keyboard-interactive" in self._door.methods

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, list[tuple[str, bool]]]:
        name, instructions, prompts = self._door.challenge
        return name, instructions, "", prompts

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        self._door.tried.append(tuple(responses))
        return tuple(responses) == self._door.answers

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool | Awaitable[asyncssh.SSHTCPSession[bytes]]:
        self._door.requested += 1
        if self._door.opens is None:
            return self._door.forwards
        late = self._forward_late(dest_host, dest_port)
        return cast("Awaitable[asyncssh.SSHTCPSession[bytes]]", late)

    async def _forward_late(self, host: str, port: int) -> SSHForwarder:
        assert self._door.opens is not None
        await self._door.opens.wait()
        return await self._conn.forward_connection(host, port)


@asynccontextmanager
async def opened(*doors: Door) -> AsyncIterator[None]:
    """The servers listen on ports of 127.0.0.1, to the end of the block."""
    listeners: list[asyncssh.SSHAcceptor] = []
    for door in doors:
        given = [(door.host_key, door.certificate)] if door.certificate else [door.host_key]
        listener = await asyncssh.listen(
            "127.0.0.1", door.port, server_factory=lambda door=door: _Server(door),
            server_host_keys=given, gss_host=None, login_timeout=30, **door.algorithms,
        )  # fmt: skip
        door.port = listener.get_port()
        listeners.append(listener)
    try:
        yield
    finally:
        for listener in listeners:
            listener.close()
        for door in doors:
            for side in door.sides:
                side.abort()
                await side.wait_closed()
        for listener in listeners:  # from Python 3.12 on this waits for the connections too
            await listener.wait_closed()


class Person:
    """A `Prompter` that answers what the test says, in turn; None closes the dialog."""

    absent = False

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked: list[PromptRequest] = []
        self.before: Callable[[], asyncio.Future[None]] | None = None

    async def ask(self, request: PromptRequest) -> Secret | None:
        self.asked.append(request)
        if self.before is not None:
            await self.before()
        answer = self.answers.pop(0)
        return None if answer is None else Secret(answer)


class Laptop:
    """The client's side: a folder with its config, keys and known_hosts, and a dialer."""

    def __init__(self, folder: Path, *, accept_new: bool = False) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.known = folder / "known_hosts"
        self.own = folder / "own" / "known_hosts"
        self.known.touch()
        self.head = f"Host *\n  User me\n  UserKnownHostsFile {self.known}\n  IdentityAgent none\n"
        self.config.write_text(self.head)
        self.prompter: Prompter | None = None
        self.told: list[tuple[str, str]] = []
        self.dialer = Dialer(
            ConnectOptions(self.own, self.config, accept_new=accept_new),
            lambda: self.prompter,
            lambda box, what: self.told.append((box, what)),
        )

    def hosts(self, text: str) -> None:
        """The config: `text`, then what holds for all."""
        self.config.write_text(f"{text}\n{self.head}")

    def host(self, name: str, door: Door, *lines: str) -> str:
        """A Host for this server."""
        own = "".join(f"  {line}\n" for line in lines)
        return f"Host {name}\n  HostName 127.0.0.1\n  Port {door.port}\n{own}"

    def knows(self, door: Door, name: str = "") -> None:
        key = door.host_key.export_public_key().decode().strip()
        with self.known.open("a") as file:
            file.write(f"{name or f'[127.0.0.1]:{door.port}'} {' '.join(key.split()[:2])}\n")

    def key(self, name: str = "id", passphrase: str | None = None, form: str = "openssh") -> str:
        """Make a key file; its fingerprint."""
        kind = "ssh-ed25519" if form == "openssh" else "ssh-rsa"
        key = asyncssh.generate_private_key(kind)
        data = key.export_private_key(form, passphrase=passphrase, rounds=50)
        (self.folder / name).write_bytes(data)
        return key.get_fingerprint()

    async def connect(self, name: str, box: str = "") -> Opened:
        return await self.dialer.connect(box or name, parse_target(name))


@asynccontextmanager
async def laptop(folder: Path, *, accept_new: bool = False) -> AsyncIterator[Laptop]:
    """A client whose connections end with the block."""
    made = Laptop(folder, accept_new=accept_new)
    try:
        yield made
    finally:
        for one in made.dialer.opened.values():
            one.connection.close()
            await one.connection.wait_closed()
        await made.dialer.aclose()
