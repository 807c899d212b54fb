"""The Host names of the user's ssh config: candidates, of which none is contacted."""

from __future__ import annotations

import glob
import shlex
from pathlib import Path

_DEPTH = 16  # as deep as OpenSSH follows Include


def host_names(config: Path, depth: int = 0) -> tuple[str, ...]:
    """Every literal Host of the file and what it includes, in order; patterns are left out.

    A file that cannot be read names no hosts.
    """
    try:
        lines = config.expanduser().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    names: dict[str, None] = {}
    for line in lines:
        keyword, words = _words(line)
        if keyword == "host":
            names.update(dict.fromkeys(word for word in words if _is_literal(word)))
        elif keyword == "include" and depth < _DEPTH:
            for word in words:
                for included in _included(word, config):
                    names.update(dict.fromkeys(host_names(included, depth + 1)))
    return tuple(names)


def _words(line: str) -> tuple[str, list[str]]:
    stripped = line.strip()
    if not stripped or stripped.startswith("#"):
        return "", []
    keyword, _, rest = stripped.replace("=", " ", 1).partition(" ")
    try:
        words = shlex.split(rest, comments=True)
    except ValueError:
        words = rest.split()
    return keyword.lower(), words


def _is_literal(word: str) -> bool:
    return not any(sign in word for sign in "*?!") and bool(word)


def _included(word: str, config: Path) -> list[Path]:
    """Relative names are relative to ~/.ssh, or to the folder of a config given with -F."""
    path = Path(word).expanduser()
    base = config.expanduser().parent
    pattern = path if path.is_absolute() else base / path
    return [Path(found) for found in sorted(glob.glob(str(pattern)))]
