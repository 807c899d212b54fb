"""From the user's ssh config to what asyncssh is told, which reads no config by itself."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh

from gptoss_tui.errors import BoxError
from gptoss_tui.remote import ssh_algorithms
from gptoss_tui.remote.known_hosts import KnownHosts
from gptoss_tui.remote.ssh_config import Config
from gptoss_tui.text import clean_line

# Five seconds of silence are noticed, thirty end the connection (a change of Wi-Fi takes ten).
KEEPALIVE_S = 5
KEEPALIVE_COUNT = 6
CONNECT_S = 10.0
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_LISTS = {
    "ciphers": "encryption_algs", "kexalgorithms": "kex_algs", "macs": "mac_algs",
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


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds_of(text: str) -> int | None:
    """A time as OpenSSH writes it ("90", "1m30s"); None for what is none."""
    parts = re.findall(r"([0-9]{1,9})([smhdw]?)", text.lower(), re.ASCII)
    if not parts or "".join(number + unit for number, unit in parts) != text.lower():
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def connect_s(config: Config) -> float:
    """How long reaching the host may take."""
    return float(seconds_of(config.first("connecttimeout") or "") or CONNECT_S)


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
        "host_key_alias": config.first("hostkeyalias"),
        "server_host_key_algs": _host_key_algorithms(config, known),
        "encryption_algs": ssh_algorithms.ciphers(),
        "connect_timeout": None, "login_timeout": 0,
        "keepalive_interval": KEEPALIVE_S, "keepalive_count_max": KEEPALIVE_COUNT,
    }  # fmt: skip
    for word, name in _LISTS.items():
        if named := config.first(word):
            given[name] = _usable(config, word, named)
    if methods := config.first("preferredauthentications"):
        given["preferred_auth"] = methods
    given |= {name: config.says(word) for word, name in _FLAGS.items() if config.first(word)}
    family = _FAMILIES.get((config.first("addressfamily") or "").lower())
    if family:
        given["family"] = family
    if address := config.first("bindaddress"):
        given["local_addr"] = (address, 0)
    if config.says("compression"):
        given["compression_algs"] = "zlib@openssh.com,zlib,none"
    try:
        return asyncssh.SSHClientConnectionOptions(**(given | extra))
    except (ValueError, OSError) as error:
        raise BoxError(
            f"The SSH settings for {config.name} cannot be used: {error}.",
            "Mend them, then try again.",
        ) from error


def authority_algorithms(config: Config) -> list[str]:
    """The algorithms by which an authority may sign host keys (CASignatureAlgorithms).

    The library knows no such list: its `signature_algs` limits the user's own keys. Raises
    `BoxError` where nothing of what is named can be used.
    """
    word = "casignaturealgorithms"
    named = config.first(word)
    return _usable(config, word, named) if named else ssh_algorithms.usual(word)


def _usable(config: Config, word: str, named: str, default: Sequence[str] = ()) -> list[str]:
    """What the config names and the library has. Raises `BoxError` where nothing is left."""
    choice = ssh_algorithms.chosen(word, named, default)
    if not choice.names:
        raise BoxError(
            f"The SSH settings for {config.name} cannot be used: the SSH library has none of "
            f"{clean_line(named, 120)}.",
            f"Add one that it has ({', '.join(ssh_algorithms.usual(word)[:3])}, …).",
        )
    return list(choice.names)


def _host_key_algorithms(config: Config, known: KnownHosts) -> list[str]:
    """Kinds of key that are on file come first, so that a server with several shows that one.

    Not only those, as asyncssh would have it: then a new key of another kind would be no change
    of key, but a handshake that breaks off. Certificates are wanted where an authority is known.
    """
    keys, authorities, _ = known.trusted(*known_name(config))
    plain = ssh_algorithms.host_keys()
    first = {name.decode("ascii", "replace") for key in keys for name in key.sig_algorithms} | {
        key.get_algorithm() for key in keys
    }
    plain.sort(key=lambda name: name not in first)
    usual = [*ssh_algorithms.certificates(), *plain] if authorities else plain
    named = config.first("hostkeyalgorithms")
    return _usable(config, "hostkeyalgorithms", named, usual) if named else usual
