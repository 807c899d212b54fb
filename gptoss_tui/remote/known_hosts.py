"""Host keys: known, unknown or changed. asyncssh asks one question for the last two; we ask two.

The user's known_hosts files are read and never written; what is accepted in the app goes to our
own file. Verification cannot be switched off, whatever a config says (`UserKnownHostsFile none`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncssh

from gptoss_tui.errors import ChangedHostKeyError, HostKeyError, UnknownHostKeyError
from gptoss_tui.state import files

Standing = Literal["known", "unknown", "changed", "revoked"]


@dataclass(frozen=True)
class KnownHosts:
    """The lines of all known_hosts files in force, and which files they came from."""

    text: str
    sources: tuple[Path, ...]

    @classmethod
    def read(cls, sources: Iterable[Path]) -> KnownHosts:
        """Read what is there; a file that is missing or unreadable holds no keys."""
        found: list[Path] = []
        parts: list[str] = []
        for source in sources:
            try:
                parts.append(source.read_text(encoding="utf-8", errors="replace"))
            except OSError:
                continue
            found.append(source)
        return cls("\n".join([*parts, ""]), tuple(found))

    def keys(self, host: str, port: int) -> tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey]]:
        """The trusted and the revoked keys of exactly `[host]:port` (no port for 22)."""
        name = host if port == 22 else f"[{host}]:{port}"
        matched = asyncssh.import_known_hosts(self.text).match(name, "", None)
        return list(matched[0]), list(matched[2])

    def standing(self, host: str, port: int, key: asyncssh.SSHKey) -> Standing:
        """What these files say of `key` for this host and port.

        As OpenSSH does, a key filed under the bare name also vouches for another port of it, but a
        different one filed there says nothing against it.
        """
        trusted, revoked = self.keys(host, port)
        if key in revoked:
            return "revoked"
        if key in trusted or (port != 22 and key in self.keys(host, 22)[0]):
            return "known"
        return "changed" if trusted else "unknown"

    def where(self, host: str, port: int) -> str:
        """File and line of the keys on file for this host, as "FILE line N"."""
        name = host if port == 22 else f"[{host}]:{port}"
        places: list[str] = []
        for source in self.sources:
            lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
            for number, line in enumerate(lines, 1):
                if _mentions(line, name):
                    places.append(f"{source} line {number}")
        return ", ".join(places)

    def for_connection(self) -> bytes:
        """The form asyncssh takes; never empty, which it would read as "use the default file"."""
        return self.text.encode() or b"\n"


def _mentions(line: str, name: str) -> bool:
    if not line.strip() or line.lstrip().startswith("#"):
        return False
    try:
        return bool(asyncssh.import_known_hosts(line + "\n").match(name, "", None)[0])
    except (ValueError, asyncssh.Error):
        return False


def entry(host: str, port: int, key: asyncssh.SSHKey) -> str:
    """One known_hosts line (with its end) for this host, port and key."""
    name = host if port == 22 else f"[{host}]:{port}"
    algorithm, blob, *_ = key.export_public_key("openssh").decode().split()
    return f"{name} {algorithm} {blob}\n"


def accept(path: Path, line: str) -> None:
    """Add one known_hosts line to our own file. Raises `StateError`."""
    with files.locked(path):
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if line not in old:
            files.write_private(path, old + line)


def error_for(
    host: str, port: int, key: asyncssh.SSHKey, standing: Standing, known: KnownHosts
) -> HostKeyError:
    """The refusal of an unknown, changed or revoked key, in words."""
    fingerprint = key.get_fingerprint()
    label = host if port == 22 else f"[{host}]:{port}"
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
    old = ", ".join(sorted(other.get_fingerprint() for other in known.keys(host, port)[0]))
    return ChangedHostKeyError(
        f"The host key of {label} has CHANGED: it is now {fingerprint}, and {old} is on file "
        f"({known.where(host, port)}). Either the box was rented out anew, or somebody is in between.",
        f"If you know that the box is new: ssh-keygen -R '{label}' -f FILE, then connect again.",
        **common,  # type: ignore[arg-type]
    )
