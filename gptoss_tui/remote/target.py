"""What a user types or pastes to name a box, read as the parts that `ssh` would take."""

from __future__ import annotations

import argparse
import re
import shlex
from dataclasses import dataclass
from typing import NoReturn

from gptoss_tui.errors import UsageError

_NAME = re.compile(r"^[A-Za-z0-9_.:%\[\]-]+$")
# A name may become part of a ProxyCommand (%r), which a shell reads.
_UNSAFE_USER = re.compile(r"^-|[\x00-\x20\x7f'\"`;&<>|(){}$*?!#~\\]")
_SWITCHES = {"4": "AddressFamily=inet", "6": "AddressFamily=inet6", "C": "Compression=yes"}


@dataclass(frozen=True)
class Target:
    """`host` is a name of the ssh config or an address; None parts are left to the config.

    `options` are lines of an ssh config ("Key=value") that come before it, as behind `ssh -o`.
    """

    host: str
    port: int | None = None
    user: str | None = None
    identity: str | None = None
    jump: str | None = None
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"{user}{self.host}{port}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"That ssh line cannot be read: {message}.", EXAMPLES)


EXAMPLES = "Write it as: ssh -p 40123 root@1.2.3.4 -i ~/.ssh/key, or as user@host:port."


def parse_target(text: str) -> Target:
    """Read a config name, `user@host:port`, `ssh://user@host:port` or a whole `ssh …` line.

    Raises `UsageError` with an example when it is none of these.
    """
    try:
        words = shlex.split(text.strip())
    except ValueError as error:
        raise UsageError(f"That line cannot be read: {error}.", EXAMPLES) from error
    if not words:
        raise UsageError("There is nothing to read.", EXAMPLES)
    if words[0] == "ssh":
        return _parse_ssh(words[1:])
    if len(words) > 1:
        raise UsageError(f"{text.strip()!r} is neither a name nor an ssh line.", EXAMPLES)
    return _parse_address(words[0])


def _parse_ssh(words: list[str]) -> Target:
    parser = _Parser(prog="ssh", add_help=False, allow_abbrev=False)
    parser.add_argument("-p", dest="port", type=int)
    parser.add_argument("-l", dest="user")
    parser.add_argument("-i", dest="identity")
    parser.add_argument("-J", dest="jump")
    parser.add_argument("-o", dest="options", action="append", default=[])
    # Providers print forwards and switches into their lines; we make our own channels.
    parser.add_argument("-L", dest="forwards", action="append")
    for switch in "ATtNnqvxXYC46":
        parser.add_argument(f"-{switch}", action="store_true")
    parser.add_argument("host")
    parser.add_argument("command", nargs="*")
    parsed = parser.parse_args(words)
    base = _parse_address(parsed.host)
    switches = [option for switch, option in _SWITCHES.items() if getattr(parsed, switch)]
    return Target(
        host=base.host,
        port=_checked_port(base.port if parsed.port is None else parsed.port),
        user=_checked_user(parsed.user or base.user),
        identity=parsed.identity,
        jump=_checked_jump(parsed.jump),
        options=tuple(_checked_option(option) for option in (*parsed.options, *switches)),
    )


def _parse_address(word: str) -> Target:
    word = word.removeprefix("ssh://").rstrip("/")
    user, _, rest = word.rpartition("@")
    host, port = rest, None
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::([0-9]{1,5}))?", rest)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif rest.count(":") == 1:
        host, port = rest.split(":")
        if not re.fullmatch(r"[0-9]{1,5}", port):
            raise UsageError(f"{port!r} is no port.", EXAMPLES)
    if not host or host.startswith("-") or not _NAME.match(host):
        raise UsageError(f"{host!r} is no host name.", EXAMPLES)
    return Target(
        host=host, port=_checked_port(int(port) if port else None), user=_checked_user(user)
    )


def _checked_port(port: int | None) -> int | None:
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"{port} is no port.", "Ports go from 1 to 65535.")
    return port


def _checked_user(user: str | None) -> str | None:
    if user and _UNSAFE_USER.search(user):
        raise UsageError(f"{user!r} is no user name.", EXAMPLES)
    return user or None


def _checked_jump(jump: str | None) -> str | None:
    if jump and jump.lower() != "none":
        parse_jumps(jump)
    return jump or None


def parse_jumps(jumps: str) -> tuple[Target, ...]:
    """The hops of a ProxyJump, the nearest first; none for "none". Raises `UsageError`."""
    if jumps.strip().lower() == "none":
        return ()
    return tuple(_parse_address(word.strip()) for word in jumps.split(","))


def _checked_option(option: str) -> str:
    """One -o: what would run a program of the line's author is not taken from a pasted line."""
    keyword = re.split(r"[\s=]", option.strip(), maxsplit=1)[0].lower()
    if not option.isprintable() or not keyword:
        raise UsageError(f"{option!r} is no ssh option.", EXAMPLES)
    if keyword in ("proxycommand", "localcommand", "knownhostscommand", "match", "include", "host"):
        raise UsageError(
            f"-o {keyword} is not taken from an ssh line.",
            "Write it into a Host of your ssh config, and name that.",
        )
    return option.strip()
