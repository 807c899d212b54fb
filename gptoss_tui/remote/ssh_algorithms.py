"""Lists of algorithms as an ssh config names them; the SSH library lacks some of OpenSSH's.

OpenSSH refuses a name it does not know. Here a config is made for OpenSSH, so such a name is left
out, and told of by `check`: only a list of which nothing is left cannot be used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asyncssh.encryption import get_default_encryption_algs, get_encryption_algs
from asyncssh.kex import get_default_kex_algs, get_kex_algs
from asyncssh.mac import get_default_mac_algs, get_mac_algs
from asyncssh.public_key import (
    get_certificate_algs,
    get_default_certificate_algs,
    get_default_public_key_algs,
    get_public_key_algs,
)

from gptoss_tui.remote.ssh_config_text import matches

# Here they take two thirds of the time that chacha20 takes, of which OpenSSH's own list is first.
_QUICK = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

# OpenSSH's own list (https://man.openbsd.org/ssh_config#CASignatureAlgorithms): none with SHA-1,
# of which a certificate could be forged.
_AUTHORITIES = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512",
    "rsa-sha2-256",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """Names in the order of preference, and those that were asked for and are not there."""

    names: tuple[str, ...]
    lacking: tuple[str, ...] = ()


def ciphers() -> list[str]:
    """All ciphers that are safe, the quick ones first."""
    return sorted(_text(get_default_encryption_algs()), key=lambda name: name not in _QUICK)


def host_keys() -> list[str]:
    """All kinds of host key that are safe, without certificates."""
    return _text(get_default_public_key_algs())


def certificates() -> list[str]:
    """All kinds of host certificate that are safe."""
    return _text(get_default_certificate_algs())


def _text(names: Sequence[bytes]) -> list[str]:
    return [name.decode("ascii", "replace") for name in names]


_Names = Callable[[], list[str]]
# What there is, and what is used where the config says nothing.
_LISTS: dict[str, tuple[_Names, _Names]] = {
    "ciphers": (lambda: _text(get_encryption_algs()), ciphers),
    "kexalgorithms": (lambda: _text(get_kex_algs()), lambda: _text(get_default_kex_algs())),
    "macs": (lambda: _text(get_mac_algs()), lambda: _text(get_default_mac_algs())),
    "casignaturealgorithms": (
        lambda: _text(get_public_key_algs()),
        lambda: list(_AUTHORITIES),
    ),
    "hostkeyalgorithms": (
        lambda: _text([*get_certificate_algs(), *get_public_key_algs()]),
        lambda: [*certificates(), *host_keys()],
    ),
}
LISTS = frozenset(_LISTS)


def usual(keyword: str) -> list[str]:
    """The list that holds where the config says nothing."""
    return _LISTS[keyword][1]()


def chosen(keyword: str, named: str, default: Sequence[str] = ()) -> Choice:
    """The list that `named` stands for: names and patterns, or `+`, `-`, `^` and then changes."""
    there = _LISTS[keyword][0]()
    base = list(default) or usual(keyword)
    sign = named[0] if named[:1] in ("+", "-", "^") else ""
    found: list[str] = []
    lacking: list[str] = []
    for pattern in named.removeprefix(sign).split(","):
        fitting = [name for name in there if matches(name, pattern)]
        found += fitting
        if pattern and not fitting:
            lacking.append(pattern)
    if sign == "-":
        return Choice(tuple(name for name in base if name not in found))
    whole = {"+": base + found, "^": found + base}.get(sign, found)
    return Choice(tuple(dict.fromkeys(whole)), tuple(lacking))
