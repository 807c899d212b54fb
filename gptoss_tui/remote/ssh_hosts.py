"""The Host names of the user's ssh config: candidates, of which none is contacted."""

from __future__ import annotations

from pathlib import Path

from gptoss_tui.remote.ssh_config_text import words_of
from gptoss_tui.remote.ssh_files import config_lines, expanded, included_files

_DEPTH = 16  # as deep as OpenSSH follows Include


def host_names(config: Path) -> tuple[str, ...]:
    """Every literal Host of the file and what it includes, in order; patterns are left out.

    A file that cannot be read names no hosts; one that includes itself is read once.
    """
    names: dict[str, None] = {}
    _collect(expanded(str(config)), names, set(), 0)
    return tuple(names)


def _collect(config: Path, names: dict[str, None], seen: set[Path], depth: int) -> None:
    if config in seen or depth > _DEPTH:
        return
    seen.add(config)
    for line in config_lines(config):
        keyword, words = words_of(line)
        if keyword == "host":
            names.update(dict.fromkeys(word for word in words if _is_literal(word)))
        elif keyword == "include":
            for included in included_files(words):
                _collect(included, names, seen, depth + 1)


def _is_literal(word: str) -> bool:
    # A name that cannot be printed is no host's, and would write over the screen.
    return bool(word) and word.isprintable() and not any(sign in word for sign in "*?!")
