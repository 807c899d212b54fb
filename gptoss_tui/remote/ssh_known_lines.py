"""The lines of known_hosts files, read as OpenSSH reads them (a test holds it to `ssh-keygen -F`).

asyncssh reads them too, but tells upper case from lower, knows networks (`10.0.0.0/8`) that OpenSSH
does not, and raises at the first line that is none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from gptoss_tui.remote.ssh_config_text import matches_any

_BLANKS = " \t"
_MARKERS = ("@cert-authority", "@revoked")
_PATTERN = re.compile(r"[*?!]")


@dataclass(frozen=True)
class Line:
    """One entry: whom it names, for which key. `marker` is "" or begins with an @."""

    file: Path
    number: int
    marker: str
    names: str
    data: str

    @property
    def exact(self) -> bool:
        """It names hosts alone, without a pattern."""
        return not _PATTERN.search(self.names)

    def names_host(self, label: str) -> bool:
        """Whether it is about `label`: a host in lower case, or `[host]:port`."""
        if self.names.startswith("|"):
            return _hash_fits(self.names, label)
        names = self.names.lower().split(",")
        return label in names if self.exact else matches_any(label, names)

    def key(self) -> asyncssh.SSHKey | None:
        """The key; None for one that cannot be read, which OpenSSH passes over as well."""
        try:
            return asyncssh.import_public_key(" ".join(self.data.split()[:2]))
        except (ValueError, asyncssh.Error):
            return None


def line_of(text: str, file: Path, number: int = 1) -> Line | None:
    """One line of a file; None for a comment, an empty one, and one with an unknown marker."""
    rest = text.strip(_BLANKS + "\r\n")
    if not rest or rest.startswith("#"):
        return None
    marker = ""
    if rest.startswith("@"):
        marker, rest = _word(rest)
        if marker not in _MARKERS:
            return None
    names, data = _word(rest)
    return Line(file, number, marker, names, data) if data else None


def lines_of(text: str, file: Path, most: int) -> Iterator[Line]:
    """All entries of a file, of which at most the first so many lines are read."""
    for number, line in enumerate(text.split("\n", most)[:most], 1):
        found = line_of(line, file, number)
        if found is not None:
            yield found


def _word(text: str) -> tuple[str, str]:
    word, *rest = re.split(f"[{_BLANKS}]+", text, maxsplit=1)
    return word, rest[0] if rest else ""


def hashed(label: str) -> str:
    """The name of a host as `HashKnownHosts` has it written."""
    salt = os.urandom(hashlib.sha1(usedforsecurity=False).digest_size)
    made = hmac.new(salt, label.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(made).decode()}"


def _hash_fits(written: str, label: str) -> bool:
    try:
        _, kind, salt, digest = written.split("|")
        wanted = base64.b64decode(digest)
        made = hmac.new(base64.b64decode(salt), label.encode(), hashlib.sha1).digest()
    except (ValueError, binascii.Error):
        return False
    return kind == "1" and hmac.compare_digest(made, wanted)
