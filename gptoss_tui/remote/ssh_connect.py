"""Opening one SSH connection: config, jump hosts, host keys, and every refusal in words."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncssh

from gptoss_tui.errors import (
    AuthError,
    BoxError,
    GptossError,
    UnknownNameError,
    UnreachableError,
)
from gptoss_tui.remote import known_hosts
from gptoss_tui.remote.known_hosts import KnownHosts
from gptoss_tui.remote.target import Target, parse_target

# Five seconds of silence are noticed, thirty end the connection (a change of Wi-Fi takes ten).
KEEPALIVE_S = 5
KEEPALIVE_COUNT = 6
CONNECT_TIMEOUT_S = 10
LOGIN_TIMEOUT_S = 20
# More at once would trip a bastion's MaxStartups (10:30:100 by default).
_HANDSHAKES = 4
_gates: dict[int, asyncio.Semaphore] = {}


@dataclass(frozen=True)
class ConnectOptions:
    """How to connect: as `ssh -F config_file -i identity`, plus our own known_hosts file."""

    own_known_hosts: Path
    config_file: Path | None = None
    identity: str | None = None
    accept_new: bool = False
    agent: bool = True
    extra: dict[str, Any] = field(default_factory=dict)


class _Client(asyncssh.SSHClient):
    """Remembers the host key that was shown, and whether it may pass."""

    def __init__(self, label: str, known: KnownHosts, options: ConnectOptions) -> None:
        self.label = label
        self.known = known
        self.options = options
        self.refusal: GptossError | None = None
        self.lost: Exception | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        standing = self.known.standing(host, port, key)
        if standing == "known":
            return True
        if standing == "unknown" and self.options.accept_new:
            known_hosts.accept(self.options.own_known_hosts, known_hosts.entry(host, port, key))
            return True
        self.refusal = known_hosts.error_for(host, port, key, standing, self.known)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc


def ssh_options(target: Target, options: ConnectOptions) -> asyncssh.SSHClientConnectionOptions:
    """What the user's config says of this target, plus what we insist on."""
    given: dict[str, Any] = {
        "host": target.host,
        "keepalive_interval": KEEPALIVE_S,
        "keepalive_count_max": KEEPALIVE_COUNT,
        "login_timeout": LOGIN_TIMEOUT_S,
        "connect_timeout": CONNECT_TIMEOUT_S,
        **options.extra,
    }
    if options.config_file is not None:
        given["config"] = [str(options.config_file)]
    if target.port:
        given["port"] = target.port
    if target.user:
        given["username"] = target.user
    identity = target.identity or options.identity
    if identity:
        given["client_keys"] = [str(Path(identity).expanduser())]
    if target.jump:
        given["tunnel"] = target.jump
    try:
        return asyncssh.SSHClientConnectionOptions(**given)
    except asyncssh.KeyImportError as error:
        raise AuthError(
            f"A key for {target} cannot be read: {error}.",
            "An encrypted key belongs into the agent: ssh-add it, then try again.",
        ) from error
    except (asyncssh.ConfigParseError, OSError, ValueError) as error:
        raise BoxError(
            f"The SSH settings for {target} cannot be used: {error}.", "Mend them, then try again."
        ) from error


def known_for(options: asyncssh.SSHClientConnectionOptions, own: Path) -> KnownHosts:
    """Ours, then the files the config names, or OpenSSH's default ones."""
    config: Any = options.config
    named: Sequence[str] = config.get("UserKnownHostsFile", ()) or ("~/.ssh/known_hosts",)
    system: Sequence[str] = config.get("GlobalKnownHostsFile", ()) or ("/etc/ssh/ssh_known_hosts",)
    return KnownHosts.read([own, *(Path(name).expanduser() for name in (*named, *system))])


async def connect(
    target: Target, options: ConnectOptions, tunnel: asyncssh.SSHClientConnection | None = None
) -> asyncssh.SSHClientConnection:
    """One authenticated connection, through its jump hosts, each with its host key checked.

    Raises the `BoxError` family, each with what happened and what to do next.
    """
    prepared = ssh_options(target, options)
    if tunnel is None and isinstance(prepared.tunnel, str):
        tunnel = await _connect_hops(prepared.tunnel, options)
    known = known_for(prepared, options.own_known_hosts)
    client = _Client(str(target), known, options)
    async with _gate():
        try:
            connection, _ = await asyncssh.create_connection(
                lambda: client,
                options=prepared,
                known_hosts=known.for_connection(),
                tunnel=tunnel or (),
                config=None,
            )
        except Exception as error:
            if tunnel is not None:
                tunnel.close()
            raise (client.refusal or explain(error, target)) from error
    return connection


async def _connect_hops(jumps: str, options: ConnectOptions) -> asyncssh.SSHClientConnection:
    """The jump hosts one after the other: asyncssh's own way would skip our host-key check."""
    connection: asyncssh.SSHClientConnection | None = None
    for jump in jumps.split(","):
        # A jump host takes its key from the config, not from the target's -i, as with ssh -J.
        connection = await connect(
            parse_target(jump.strip()), replace(options, identity=None), connection
        )
    assert connection is not None
    return connection


def _gate() -> asyncio.Semaphore:
    loop = id(asyncio.get_running_loop())
    return _gates.setdefault(loop, asyncio.Semaphore(_HANDSHAKES))


def explain(error: Exception, target: Target) -> GptossError:
    """Any failure to connect, as a sentence and a next step."""
    if isinstance(error, GptossError):
        return error
    for kinds, make in _EXPLANATIONS:
        if isinstance(error, kinds):
            return make(error, target)
    return BoxError(f"{target}: {error or type(error).__name__}.", "Try `ssh` to the same box.")


def _auth(error: Exception, target: Target) -> GptossError:
    return AuthError(
        f"{target} refused the login: {error}.",
        "Check the user name and the key (ssh-add -l, IdentityFile, -i KEY).",
    )


def _name(error: Exception, target: Target) -> GptossError:
    return UnknownNameError(
        f"The name {target.host} is not known: no Host of the ssh config, and it does not resolve.",
        "Check the spelling, or give it as user@host:port.",
    )


def _silent(error: Exception, target: Target) -> GptossError:
    return UnreachableError(
        f"{target} does not answer in {CONNECT_TIMEOUT_S} s.",
        "Is the box running, is the port right, is a firewall in between?",
    )


def _refused(error: Exception, target: Target) -> GptossError:
    reason = getattr(error, "strerror", None) or str(error) or "connection refused"
    return UnreachableError(
        f"{target} cannot be reached: {reason}.", "Is the box running, and is its SSH port right?"
    )


def _cut(error: Exception, target: Target) -> GptossError:
    return UnreachableError(
        f"{target} closed the connection during the handshake: {error}.",
        "It may be starting, or refuse too many logins at once: try again in a moment.",
    )


def _channel(error: Exception, target: Target) -> GptossError:
    return UnreachableError(
        f"The jump host could not reach {target}: {error}.",
        "Check the address, and that the jump host allows forwarding.",
    )


_Maker = Callable[[Exception, Target], GptossError]
_EXPLANATIONS: tuple[tuple[tuple[type[Exception], ...], _Maker], ...] = (
    ((asyncssh.PermissionDenied,), _auth),
    ((asyncssh.ChannelOpenError,), _channel),
    ((asyncssh.ConnectionLost, asyncssh.DisconnectError, ConnectionResetError), _cut),
    ((socket.gaierror,), _name),
    ((TimeoutError,), _silent),
    ((OSError,), _refused),
)
