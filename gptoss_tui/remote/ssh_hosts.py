"""The Host names of the user's ssh config: candidates, of which none is contacted."""

from __future__ import annotations

import glob
import re
import shlex
from pathlib import Path

_DEPTH = 16  # as deep as OpenSSH follows Include


def host_names(config: Path) -> tuple[str, ...]:
    """Every literal Host of the file and what it includes, in order; patterns are left out.

    A file that cannot be read names no hosts; one that includes itself is read once.
    """
    names: dict[str, None] = {}
    _collect(config.expanduser(), names, set(), 0)
    return tuple(names)


def _collect(config: Path, names: dict[str, None], seen: set[Path], depth: int) -> None:
    if config in seen or depth > _DEPTH:
        return
    seen.add(config)
    try:
        lines = config.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        keyword, words = _words(line)
        if keyword == "host":
            names.update(dict.fromkeys(word for word in words if _is_literal(word)))
        elif keyword == "include":
            for word in words:
                for included in _included(word, config):
                    _collect(included, names, seen, depth + 1)


def _words(line: str) -> tuple[str, list[str]]:
    stripped = line.strip()
    if not stripped or stripped.startswith("#"):
        return "", []
    # "Host x", "Host=x", "Host = x", and any blanks between.
    keyword = re.split(r"[\s=]", stripped, maxsplit=1)[0]
    rest = stripped[len(keyword) :].lstrip().removeprefix("=")
    try:
        words = shlex.split(rest, comments=True)
    except ValueError:
        words = rest.split()
    return keyword.lower(), words


def _is_literal(word: str) -> bool:
    # A name that cannot be printed is no host's, and would write over the screen.
    return bool(word) and word.isprintable() and not any(sign in word for sign in "*?!")


def _included(word: str, config: Path) -> list[Path]:
    """Relative names are relative to ~/.ssh, or to the folder of a config given with -F."""
    path = Path(word).expanduser()
    base = config.parent
    pattern = path if path.is_absolute() else base / path
    return [Path(found) for found in sorted(glob.glob(str(pattern)))]
