"""What a user types or pastes to name a box, read as the parts that `ssh` would take."""

from __future__ import annotations

import re
import shlex
import socket
from dataclasses import dataclass, field
from urllib.parse import unquote

from gptoss_tui.errors import UsageError
from gptoss_tui.remote.ssh_config_text import shell_unsafe, words_of

_NAME = re.compile(r"[A-Za-z0-9_.:%\[\]-]+")
_LONGEST = 8192
_HOPS = 16
_PROMPT_SIGNS = "$%#>❯"
_SSH = re.compile(r"(?:/.*/)?ssh")
# What ssh takes with a value, and what without one (getopt's list in ssh.c).
_VALUED, _SWITCHES = frozenset("BDEFIJLOPQRSWbceilmopw"), frozenset("46AaCGKMNTVXYfgknqstvxy")
# Options that are a line of the config in short.
_LINES = {
    "4": "AddressFamily=inet", "6": "AddressFamily=inet6", "C": "Compression=yes",
    "b": "BindAddress={}", "c": "Ciphers={}", "m": "MACs={}", "P": "Tag={}",
}  # fmt: skip
# These do something else than log in, or take it from elsewhere: dropped, the line would be another.
_OTHER = {
    "F": "-F FILE is an option of gptoss-tui itself",
    "W": "-W is for a ProxyCommand", "O": "-O speaks to a running ssh",
    "Q": "-Q asks ssh about itself", "G": "-G only prints", "V": "-V only prints",
    "I": "a smart card is reached through an agent (ssh-add -s)",
}  # fmt: skip
# Their values may become part of a ProxyCommand or a Match exec, which a shell reads.
_NAMES = frozenset({"user", "hostname", "hostkeyalias", "port", "tag"})
_RUNNING = frozenset(
    {"proxycommand", "localcommand", "knownhostscommand", "match", "include", "host"}
)


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
        if not self.port:
            return f"{user}{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{user}{host}:{self.port}"


EXAMPLES = "Write it as: ssh -p 40123 root@1.2.3.4 -i ~/.ssh/key, or as user@host:port."
_ASKED_FOR = "A password does not belong in a line: it is asked for when the box wants one."


def parse_target(text: str) -> Target:
    """Read a config name, `user@host:port`, `ssh://user@host:port` or a whole `ssh …` line.

    Raises `UsageError` with an example when it is none of these.
    """
    if len(text) > _LONGEST:
        raise UsageError("That is too long for a name or an ssh line.", EXAMPLES)
    try:
        # A line that goes on, as in a shell; and blanks as they come out of a web page.
        words = shlex.split(text.replace("\\\n", "").replace("\xa0", " ").strip())
    except ValueError as error:
        raise UsageError(f"That line cannot be read: {error}.", EXAMPLES) from error
    words = _without_prompt(words)
    if not words:
        raise UsageError("There is nothing to read.", EXAMPLES)
    if _SSH.fullmatch(words[0]):
        return _parse_ssh(words[1:])
    if words[0] == "sshpass":
        raise UsageError(_ASKED_FOR, "Paste the line from the word ssh on.")
    if len(words) > 1:
        raise UsageError(f"{text.strip()!r} is neither a name nor an ssh line.", EXAMPLES)
    return _parse_address(words[0])


def _without_prompt(words: list[str]) -> list[str]:
    """Without a prompt that was copied along: "$" alone, or all of it ("[me@laptop ~]$") before ssh."""
    if len(words) > 1 and words[0] in tuple(_PROMPT_SIGNS):
        return words[1:]
    for number, word in enumerate(words[1:4], 1):
        if _SSH.fullmatch(word) and words[number - 1].endswith((*_PROMPT_SIGNS, "~")):
            return words[number:]
    return words


@dataclass
class _Line:
    """The parts of an ssh line; of those with one value the first counts, as with ssh."""

    host: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)

    def first(self, letter: str) -> str | None:
        return self.values.get(letter, [None])[0]


def _parse_ssh(words: list[str]) -> Target:
    """Options may stand on both sides of the host, as with ssh; behind them comes a command.

    Providers print forwards, switches and commands into their lines. They are dropped: we make our
    own channels.
    """
    line = _Line()
    rest = _take_options(line, words)
    if not rest:
        raise UsageError("That ssh line cannot be read: it names no host.", EXAMPLES)
    line.host = rest[0]
    _take_options(line, rest[1:])
    base = _parse_address(line.host)
    port = line.first("p")
    identities = line.values.get("i", [])
    if not "".join(identities).isprintable():
        raise UsageError(f"{line.first('i')!r} is no file name.", EXAMPLES)
    line.options += [f'IdentityFile="{more}"' for more in identities[1:]]
    return Target(
        host=base.host,
        port=base.port if port is None else _checked_port(port),
        user=_checked_user(line.first("l") or base.user),
        identity=line.first("i"),
        jump=_checked_jump(line.first("J")),
        options=tuple(_checked_option(option) for option in line.options),
    )


def _take_options(line: _Line, words: list[str]) -> list[str]:
    """Read what begins with a dash; what is left begins with the host or the command."""
    words = list(words)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter not in _VALUED | _SWITCHES:
                raise UsageError(f"That ssh line cannot be read: ssh has no -{letter}.", EXAMPLES)
            value = ""
            if letter in _VALUED:
                if not letters and not words:
                    raise UsageError(f"-{letter} stands without its value.", EXAMPLES)
                value, letters = letters or words.pop(0), ""
            _take(line, letter, value)
    return words


def _take(line: _Line, letter: str, value: str) -> None:
    if letter in _OTHER:
        raise UsageError(f"-{letter} is not taken from an ssh line: {_OTHER[letter]}.", EXAMPLES)
    if letter == "o":
        line.options.append(value)
    elif letter in _LINES:
        line.options.append(_LINES[letter].format(value))
    else:
        line.values.setdefault(letter, []).append(value)


def _parse_address(word: str) -> Target:
    is_uri = word.startswith("ssh://")
    user, _, rest = word.removeprefix("ssh://").rstrip("/").rpartition("@")
    if is_uri:
        user = unquote(user.partition(";")[0])  # behind it stand parameters, which ssh drops
    if ":" in user:
        raise UsageError(_ASKED_FOR, "Write it without the colon and what follows, up to the @.")
    host, port = rest, None
    bracketed = re.fullmatch(r"\[([^\]]+)\](?::(.*))?", rest)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
    elif rest.count(":") == 1:
        host, port = rest.split(":")
    if not host or host.startswith("-") or not _NAME.fullmatch(host):
        raise UsageError(f"{host!r} is no host name.", EXAMPLES)
    return Target(
        host=host, port=None if port is None else _checked_port(port), user=_checked_user(user)
    )


def port_of(text: str) -> int | None:
    """A port as ssh takes it: a number, or the name of a service (/etc/services); None for neither."""
    if re.fullmatch(r"[0-9]{1,5}", text):
        return int(text) if 0 < int(text) < 65536 else None
    try:
        return socket.getservbyname(text, "tcp")
    except (OSError, ValueError):
        return None


def _checked_port(text: str) -> int:
    port = port_of(text)
    if port is None:
        raise UsageError(f"{text!r} is no port.", f"Ports go from 1 to 65535. {EXAMPLES}")
    return port


def _checked_user(user: str | None) -> str | None:
    if user and (shell_unsafe(user) or not user.isprintable()):
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
    hops = jumps.split(",")
    if len(hops) > _HOPS:
        raise UsageError(f"{len(hops)} jump hosts are more than {_HOPS}.", EXAMPLES)
    return tuple(_parse_address(word.strip()) for word in hops)


def _checked_option(option: str) -> str:
    """One -o: what would run a program of the line's author is not taken from a pasted line."""
    keyword, arguments = words_of(option)
    if not option.isprintable() or not keyword:
        raise UsageError(f"{option!r} is no ssh option.", EXAMPLES)
    if keyword in _RUNNING:
        raise UsageError(
            f"-o {keyword} is not taken from an ssh line.",
            "Write it into a Host of your ssh config, and name that.",
        )
    if keyword in _NAMES and any(shell_unsafe(value) for value in arguments):
        raise UsageError(f"{' '.join(arguments)!r} is no {keyword}.", EXAMPLES)
    if keyword == "proxyjump":
        _checked_jump(" ".join(arguments))
    return option.strip()
