"""From the user's ssh config to what asyncssh is told, which reads no config by itself."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from gptoss_tui.errors import BoxError
from gptoss_tui.remote.known_hosts import KnownHosts
from gptoss_tui.remote.ssh_config import Config

# Five seconds of silence are noticed, thirty end the connection (a change of Wi-Fi takes ten).
KEEPALIVE_S = 5
KEEPALIVE_COUNT = 6
CONNECT_S = 10.0
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_UNSAFE = re.compile(r"[\x00-\x20\x7f'\"`;&<>|(){}$\\]|^-")
_LISTS = {
    "ciphers": "encryption_algs", "kexalgorithms": "kex_algs", "macs": "mac_algs",
    "casignaturealgorithms": "signature_algs", "preferredauthentications": "preferred_auth",
}  # fmt: skip
_FLAGS = {
    "passwordauthentication": "password_auth", "pubkeyauthentication": "public_key_auth",
    "kbdinteractiveauthentication": "kbdint_auth", "tcpkeepalive": "tcp_keepalive",
    "challengeresponseauthentication": "kbdint_auth",
}  # fmt: skip


def known_name(config: Config) -> tuple[str, int]:
    """Host and port as known_hosts files have them; an alias stands there without a port."""
    alias = config.first("hostkeyalias")
    return (alias, 22) if alias else (config.host, config.port)


def known_for(config: Config, own: Path) -> KnownHosts:
    """Ours, then the files the config names, or OpenSSH's default ones."""
    named = config.all("userknownhostsfile") or ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
    system = config.all("globalknownhostsfile") or (
        "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2",
    )  # fmt: skip
    paths = [config.path(name) for name in (*named, *system) if name.lower() != "none"]
    return KnownHosts.read([own, *paths], own)


def connect_s(config: Config) -> float:
    """How long reaching the host may take."""
    value = config.first("connecttimeout") or ""
    return float(value) if value.isascii() and value.isdigit() and int(value) else CONNECT_S


def options_of(
    config: Config, known: KnownHosts, extra: dict[str, Any]
) -> asyncssh.SSHClientConnectionOptions:
    """Host, port, user, algorithms and methods. Raises `BoxError` for values that mean nothing.

    Keys come later, when the server asks (`public_key_auth_requested`); the host key is judged by
    us alone, so asyncssh is told of no trusted one. Its clocks are off: ours stop for a person.
    """
    given: dict[str, Any] = {
        "config": None, "host": config.host, "port": config.port, "username": config.user,
        "client_keys": None, "agent_path": None, "known_hosts": ((), (), ()),
        "x509_trusted_certs": None, "gss_auth": False, "gss_kex": False, "gss_host": None,
        "server_host_key_algs": _host_key_algorithms(config, known),
        "connect_timeout": None, "login_timeout": 0,
        "keepalive_interval": KEEPALIVE_S, "keepalive_count_max": KEEPALIVE_COUNT,
    }  # fmt: skip
    given |= {name: config.first(word) for word, name in _LISTS.items() if config.first(word)}
    given |= {name: config.says(word) for word, name in _FLAGS.items() if config.first(word)}
    family = _FAMILIES.get((config.first("addressfamily") or "").lower())
    if family:
        given["family"] = family
    if address := config.first("bindaddress"):
        given["local_addr"] = (address, 0)
    if config.says("compression"):
        given["compression_algs"] = "zlib@openssh.com,zlib,none"
    if command := proxy_command(config):
        given["proxy_command"] = command
    try:
        return asyncssh.SSHClientConnectionOptions(**(given | extra))
    except (ValueError, OSError) as error:
        raise BoxError(
            f"The SSH settings for {config.name} cannot be used: {error}.",
            "Mend them, then try again.",
        ) from error


def proxy_command(config: Config) -> list[str] | None:
    """The ProxyCommand as the user's shell runs it; None for none."""
    command = config.first("proxycommand")
    if command is None or command.strip().lower() == "none":
        return None
    for value in (config.host, config.name, config.user):
        if _UNSAFE.search(value):
            raise BoxError(
                f"{value!r} cannot be part of a ProxyCommand: a shell would read it.",
                "Give the box a plain name in the ssh config.",
            )
    # What it says goes nowhere, for asyncssh takes it for the server's data; its pipe is kept open
    # as number 9, for asyncssh takes the end of that for the end of the connection.
    shell = os.environ.get("SHELL") or "/bin/sh"
    return [shell, "-c", f"exec 9>&2 2>/dev/null; exec {config.expand(command).strip()}"]


def _host_key_algorithms(config: Config, known: KnownHosts) -> str | list[str]:
    """Kinds of key that are on file come first, so that a server with several shows that one.

    Not only those, as asyncssh would have it: then a new key of another kind would be no change
    of key, but a handshake that breaks off. Certificates are wanted where an authority is known.
    """
    if named := config.first("hostkeyalgorithms"):
        return named
    keys, authorities, _ = known.trusted(*known_name(config))
    plain = [name.decode("ascii", "replace") for name in get_default_public_key_algs()]
    first = {name.decode("ascii", "replace") for key in keys for name in key.sig_algorithms} | {
        key.get_algorithm() for key in keys
    }
    plain.sort(key=lambda name: name not in first)
    if not authorities:
        return plain
    return [name.decode("ascii", "replace") for name in get_default_certificate_algs()] + plain
