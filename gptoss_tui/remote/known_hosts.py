"""Host keys: known, unknown, changed or revoked. asyncssh asks one question for all; we ask four.

The user's known_hosts files are read and never written; what is accepted in the app goes to our
own file. Verification cannot be switched off, whatever a config says (`UserKnownHostsFile none`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncssh

from gptoss_tui.errors import ChangedHostKeyError, HostKeyError, UnknownHostKeyError
from gptoss_tui.remote.ssh_files import LINES_LIMIT, content
from gptoss_tui.remote.ssh_known_lines import Line, hashed, line_of, lines_of
from gptoss_tui.state import files

Standing = Literal["known", "unknown", "changed", "revoked"]
Keys = list[asyncssh.SSHKey]
# More than any cloud's file has; what is longer is not read line by line.
_LINES = 200_000
_PLAIN = re.compile(r"[A-Za-z0-9_.:%-]+")


def label_of(host: str, port: int) -> str:
    """A host as known_hosts files name it: `host`, or `[host]:port`."""
    return host if port == 22 else f"[{host}]:{port}"


@dataclass(frozen=True)
class Place:
    """One line with a key on file. `exact`: it names this host alone, without a pattern."""

    file: Path
    line: int
    fingerprint: str
    exact: bool

    def __str__(self) -> str:
        return f"{self.file} line {self.line}"


@dataclass(frozen=True)
class KnownHosts:
    """The lines of all known_hosts files in force; `own` is the one of the files that is ours."""

    lines: tuple[Line, ...]
    own: Path | None = None

    @classmethod
    def read(cls, sources: Iterable[Path], own: Path | None = None) -> KnownHosts:
        """Read what is there; a file that is missing or unreadable holds no keys."""
        lines: list[Line] = []
        for source in dict.fromkeys(sources):
            try:
                text = content(source, LINES_LIMIT).decode("utf-8", "replace")
            except OSError:
                continue
            lines += lines_of(text, source, _LINES)
        return cls(tuple(lines), own)

    def keys(self, host: str, port: int) -> tuple[Keys, Keys, Keys]:
        """The trusted, the authorities' and the revoked keys of exactly `[host]:port`."""
        label = label_of(host, port).lower()
        found: dict[str, Keys] = {"": [], "@cert-authority": [], "@revoked": []}
        for line in self.lines:
            key = line.key() if line.names_host(label) else None
            if key is not None:
                found[line.marker].append(key)
        return found[""], found["@cert-authority"], found["@revoked"]

    def trusted(self, host: str, port: int) -> tuple[Keys, Keys, Keys]:
        """The same with what the bare name vouches for, in the form that asyncssh takes."""
        keys, authorities, revoked = self.keys(host, port)
        if port != 22:
            bare = self.keys(host, 22)
            keys, authorities = keys + bare[0], authorities + bare[1]
            revoked = revoked + bare[2]
        return [key for key in keys if key not in revoked], authorities, revoked

    def standing(self, host: str, port: int, key: asyncssh.SSHKey) -> Standing:
        """What these files say of `key` for this host and port.

        As OpenSSH does, a key filed under the bare name also vouches for another port of it, but a
        different one filed there says nothing against it.
        """
        trusted, _, revoked = self.keys(host, port)
        if key in revoked or (port != 22 and key in self.keys(host, 22)[2]):
            return "revoked"
        if key in trusted or (port != 22 and key in self.keys(host, 22)[0]):
            return "known"
        return "changed" if trusted else "unknown"

    def places(self, host: str, port: int) -> tuple[Place, ...]:
        """File and line of each key on file for this host."""
        label = label_of(host, port).lower()
        return tuple(
            Place(line.file, line.number, key.get_fingerprint(), line.exact)
            for line in self.lines
            if not line.marker and line.names_host(label) and (key := line.key()) is not None
        )

    def where(self, host: str, port: int) -> str:
        """The same as text: "FILE line N, FILE line M"."""
        return ", ".join(dict.fromkeys(str(place) for place in self.places(host, port)))


def entry(host: str, port: int, key: asyncssh.SSHKey) -> str:
    """One known_hosts line (with its end) for this host, port and key.

    A name with a sign that means something there (`a,b`, `*`, `@revoked`) is hashed: then it is that
    name, and no other one.
    """
    algorithm, blob, *_ = key.export_public_key("openssh").decode().split()
    label = label_of(host, port)
    names = label if _PLAIN.fullmatch(host) else hashed(label.lower())
    return f"{names} {algorithm} {blob}\n"


def accept(path: Path, line: str) -> None:
    """Add one known_hosts line to our own file. Raises `StateError`."""
    with files.locked(path):
        old = _own_lines(path)
        if line.rstrip("\n") not in old:
            files.write_private(path, "".join(f"{one}\n" for one in old) + line)


def forget(path: Path, host: str, port: int) -> int:
    """Take all keys of this host out of our own file; how many lines went. Raises `StateError`."""
    if not path.exists():
        return 0
    with files.locked(path):
        lines = _own_lines(path)
        kept = [line for line in lines if not _trusts(line, label_of(host, port).lower())]
        if len(kept) < len(lines):
            files.write_private(path, "".join(f"{line}\n" for line in kept))
    return len(lines) - len(kept)


def _own_lines(path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
    return text.removesuffix("\n").split("\n") if text else []


def _trusts(text: str, label: str) -> bool:
    line = line_of(text, Path())
    return line is not None and not line.marker and line.names_host(label) and bool(line.key())


def error_for(
    host: str, port: int, key: asyncssh.SSHKey, standing: Standing, known: KnownHosts
) -> HostKeyError:
    """The refusal of an unknown, changed or revoked key, in words."""
    fingerprint = key.get_fingerprint()
    label = label_of(host, port)
    common = {
        "host": host,
        "port": port,
        "fingerprint": fingerprint,
        "key": entry(host, port, key),
    }
    if standing == "unknown":
        return UnknownHostKeyError(
            f"{label} is not known yet: its host key is {fingerprint} ({key.get_algorithm()}).",
            "Compare it with what the provider shows, then accept it "
            "(in the app, or with --accept-new).",
            **common,  # type: ignore[arg-type]
        )
    if standing == "revoked":
        return ChangedHostKeyError(
            f"{label} showed a host key that is marked as revoked: {fingerprint}.",
            "Do not connect. Ask whoever runs the box.",
            **common,  # type: ignore[arg-type]
        )
    places = known.places(host, port)
    old = ", ".join(sorted({place.fingerprint for place in places}))
    ours = bool(places) and all(place.file == known.own for place in places)
    return ChangedHostKeyError(
        f"The host key of {label} has CHANGED: it is now {fingerprint}, and {old} is on file "
        f"({known.where(host, port)}). Either the box was rented out anew, or somebody is in between.",
        f"If you know that the box is new: {_remedy(label, places, known.own)}, then connect again.",
        ours=ours,
        **common,  # type: ignore[arg-type]
    )


def _remedy(label: str, places: tuple[Place, ...], own: Path | None) -> str:
    """What takes each old key off its file: ours by our own command, others by ssh-keygen."""
    steps: dict[str, None] = {}
    for place in places:
        if place.file == own:
            steps[f"gptoss-tui forget-key {shlex.quote(label)}"] = None
        elif place.exact:
            steps[f"ssh-keygen -R {_quoted(label)} -f {shlex.quote(str(place.file))}"] = None
        else:
            steps[f"remove line {place.line} of {place.file}"] = None
    return " and ".join(steps) or f"ssh-keygen -R {_quoted(label)}"


def _quoted(label: str) -> str:
    # Square brackets are a pattern for the shell, so quotes always.
    return f"'{label}'" if "'" not in label else shlex.quote(label)
