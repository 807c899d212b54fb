"""What the user's ssh config says of one host: the same that `ssh -G` would print.

asyncssh has a parser too, but drops what it does not know without a word, reads no
/etc/ssh/ssh_config, takes comments behind a value for data, leaves an Include with the rest of its
block in force, and refuses a key file that is not there. So the config is read here, and asyncssh
is given the results (tests hold them against `ssh -G`).
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gptoss_tui.errors import BoxError
from gptoss_tui.remote.ssh_config_text import matches_any, shell_unsafe, split, words_of
from gptoss_tui.remote.ssh_files import config_lines, expanded, included_files
from gptoss_tui.remote.target import Target, port_of

USER_CONFIG = "~/.ssh/config"
SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
_DEPTH = 16  # as deep as OpenSSH follows Include
_EXEC_S = 10.0
# Of all others the first value counts.
MANY = frozenset(
    {
        "identityfile",
        "certificatefile",
        "localforward",
        "remoteforward",
        "dynamicforward",
        "sendenv",
    }
)
_TOKEN = re.compile(r"%(.)")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Directive:
    """One line in force for a host; `place` is "FILE line N", or "the ssh line" that was pasted."""

    keyword: str
    args: tuple[str, ...]
    place: str
    system: bool = False

    @property
    def value(self) -> str:
        return " ".join(self.args)


@dataclass(frozen=True)
class Config:
    """The directives in force for `name`, which is what the user typed."""

    name: str
    host: str
    directives: dict[str, tuple[Directive, ...]] = field(default_factory=dict)

    def first(self, keyword: str) -> str | None:
        """The first argument of the directive in force; None where there is none."""
        found = self.directives.get(keyword)
        return found[0].args[0] if found and found[0].args else None

    def all(self, keyword: str) -> tuple[str, ...]:
        """All arguments: of every line, where a directive may stand several times."""
        return tuple(arg for one in self.directives.get(keyword, ()) for arg in one.args)

    def says(self, keyword: str, default: bool = False) -> bool:
        """A yes or no."""
        value = self.first(keyword)
        return default if value is None else value.lower() in ("yes", "true")

    @property
    def user(self) -> str:
        """Raises `BoxError` where none is given and this machine has no name for its own."""
        user = self.first("user") or _local_user()
        if not user:
            raise BoxError(
                f"No user is given for {self.name}, and yours has no name on this machine.",
                "Write it as user@host, or as User in the ssh config.",
            )
        return user

    @property
    def port(self) -> int:
        """A number or the name of a service, as OpenSSH has it. Raises `BoxError` for neither."""
        value = self.first("port") or "22"
        number = port_of(value)
        if number is None:
            raise BoxError(f"{value!r} is no port for {self.name}.", "Mend Port in the ssh config.")
        return number

    def expand(self, text: str) -> str:
        """`text` with its %-tokens. Raises `BoxError` for one that does not exist."""
        return self._expand(text, lambda letter, value: value)

    def expand_for_shell(self, text: str) -> str:
        """The same for a shell's eyes. Raises `BoxError` for a name that is more than a word there.

        What names a box comes from a pasted line or another's config; the rest is this machine's.
        """

        def checked(letter: str, value: str) -> str:
            if letter in "hnprkj" and shell_unsafe(value):
                raise BoxError(
                    f"{value!r} cannot be part of a command (%{letter}): a shell would read it.",
                    "Give the box a plain name in the ssh config.",
                )
            return value

        return self._expand(text, checked)

    def _expand(self, text: str, checked: Callable[[str, str], str]) -> str:
        local = socket.gethostname()
        jump = self.first("proxyjump") or ""
        joined = f"{local}{self.host}{self.port}{self.user}"
        tokens = {
            "%": "%", "h": self.host, "n": self.name, "p": str(self.port), "r": self.user,
            "u": _local_user(), "d": str(expanded("~")), "l": local, "L": local.split(".")[0],
            "i": str(os.getuid()), "j": jump, "k": self.first("hostkeyalias") or self.name,
            "C": hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest(),
        }  # fmt: skip

        def token(found: re.Match[str]) -> str:
            if found[1] not in tokens:
                raise BoxError(
                    f"The ssh config for {self.name} has %{found[1]}, which stands for nothing.",
                    "Mend it (a plain percent sign is written %%).",
                )
            return checked(found[1], tokens[found[1]])

        return _TOKEN.sub(token, text)

    def path(self, text: str) -> Path:
        """A file name of the config: ~, %-tokens and ${VARIABLES} replaced."""
        known = _VARIABLE.sub(lambda found: os.environ.get(found[1], ""), text)
        return expanded(self.expand(known))


def _local_user() -> str:
    """Who runs this; "" for a number without a name, as a container may have it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def resolve(target: Target, config_file: Path | None = None, identity: str | None = None) -> Config:
    """Read the config for this target; it may run the commands of `Match exec`, so use a thread."""
    reading = _Reading(target, config_file, identity)
    reading.files()
    if reading.wants_final:
        reading.begin_final()
        reading.files()
    hostname = reading.hostname()
    return Config(target.host, hostname, {k: tuple(v) for k, v in reading.found.items()})


class _Reading:
    """One reading of all files for one target, in the order of OpenSSH: the first value counts."""

    def __init__(self, target: Target, config_file: Path | None, identity: str | None) -> None:
        self.name = self.host = target.host
        self.found: dict[str, list[Directive]] = {}
        self.final = self.wants_final = self._too_deep = False
        self._settled: str | None = None
        self._config_file = config_file
        given = [("port", str(target.port or "")), ("user", target.user or "")]
        given += [("identityfile", target.identity or identity or "")]
        given += [("proxyjump", target.jump or "")]
        for keyword, value in given:
            if value:
                self._take(Directive(keyword, (value,), "the ssh line"))
        for option in target.options:
            keyword, args = words_of(option)
            if keyword:
                self._take(Directive(keyword, tuple(args), "the ssh line"))

    def begin_final(self) -> None:
        """The second reading, which is for the host's real name and does not change that again."""
        self.final = True
        self.host = self._settled = self.hostname()

    def hostname(self) -> str:
        if self._settled is not None:
            return self._settled
        found = self.found.get("hostname")
        host = self.host
        if found and found[0].args:
            host = re.sub(r"%([h%])", lambda m: self.host if m[1] == "h" else "%", found[0].args[0])
        return host.lower()

    def files(self) -> None:
        if self._config_file is not None:
            self._file(expanded(str(self._config_file)), False, 0, True)
            return
        self._file(expanded(USER_CONFIG), False, 0, True)
        self._file(SYSTEM_CONFIG, True, 0, True)

    def _file(self, path: Path, system: bool, depth: int, active: bool) -> None:
        outer = active
        for number, line in enumerate(config_lines(path), 1):
            keyword, args = words_of(line)
            if keyword == "host":
                active = outer and matches_any(self.host, args)
            elif keyword == "match":
                # Always read: a `final` in it asks for the second pass also where it fits nobody.
                active = self._match(line) and outer
            elif keyword == "include":
                self._include(args, system, depth, active)
            elif keyword and active:
                self._take(Directive(keyword, tuple(args), f"{path} line {number}", system))

    def _include(self, patterns: list[str], system: bool, depth: int, active: bool) -> None:
        """Files that include one another end all including once it goes too deep.

        OpenSSH refuses the whole config then; each with two of them, they would be read for days.
        """
        self._too_deep = self._too_deep or depth == _DEPTH
        for included in included_files(patterns, system):
            if not self._too_deep:
                self._file(included, system, depth + 1, active)

    def _take(self, one: Directive) -> None:
        there = self.found.setdefault(one.keyword, [])
        # ProxyJump and ProxyCommand are one question: whichever comes first counts.
        rival = {"proxyjump": "proxycommand", "proxycommand": "proxyjump"}.get(one.keyword)
        if rival is not None and self.found.get(rival):
            if not there:
                del self.found[one.keyword]
        elif not there or (one.keyword in MANY and one.args not in [old.args for old in there]):
            there.append(one)

    def _match(self, line: str) -> bool:
        rest = re.sub(r"^\s*match[ \t]*=?", "", line.strip(), flags=re.IGNORECASE)
        words = split(rest)
        fits = True
        while words:
            word = words.pop(0)
            wanted = not word.startswith("!")
            name, equals, value = word.removeprefix("!").partition("=")
            name = name.lower()
            if name == "all":
                fits = fits and wanted
                continue
            if name in ("final", "canonical"):
                self.wants_final = self.wants_final or (name == "final" and wanted)
                fits = fits and self.final == wanted
                continue
            argument = value if equals else (words.pop(0) if words else "")
            fits = fits and self._criterion(name, argument) is wanted
        return fits

    def _criterion(self, name: str, argument: str) -> bool | None:
        """Whether it holds; None for one that is not known here, and fits with no sign before it."""
        tests: dict[str, Callable[[], str]] = {
            "host": self.hostname,
            "originalhost": lambda: self.name,
            "user": lambda: self._first("user") or _local_user(),
            "localuser": _local_user,
            "tagged": lambda: self._first("tag"),
        }
        if name == "exec":
            return self._exec(argument)
        patterns = argument.split(",")
        if name in ("host", "originalhost"):
            return matches_any(tests[name]().lower(), [pattern.lower() for pattern in patterns])
        # What is not known here (localnetwork, sessiontype, …) fits nobody; `check` lists it.
        if name not in tests:
            self._take(Directive(f"match {name}", (argument,), "the ssh config"))
            return None
        return matches_any(tests[name](), patterns)

    def _first(self, keyword: str) -> str:
        found = self.found.get(keyword)
        return found[0].args[0] if found and found[0].args else ""

    def _exec(self, command: str) -> bool:
        settled = {k: tuple(v) for k, v in self.found.items()}
        full = Config(self.name, self.hostname(), settled).expand_for_shell(command)
        try:
            return not subprocess.run(
                [os.environ.get("SHELL") or "/bin/sh", "-c", full],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=_EXEC_S,
            ).returncode
        except (OSError, subprocess.TimeoutExpired):
            return False
