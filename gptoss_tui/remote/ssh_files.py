"""Files that an ssh config or a pasted line names, read with bounds: some of them would never end."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

LIMIT = 1024**2  # OpenSSH's own for a key
LINES_LIMIT = 64 * 1024**2  # of configs and known_hosts: more than those of whole clouds have
USER_FOLDER = "~/.ssh"
SYSTEM_FOLDER = Path("/etc/ssh")


def expanded(text: str) -> Path:
    """With ~ and ~USER replaced; a user that is not known stays as it is written."""
    return Path(os.path.expanduser(text))


def content(path: Path, limit: int = LIMIT) -> bytes:
    """A whole file. Raises `OSError`, also for a device, a pipe, and more than `limit` bytes."""
    try:
        about = path.stat()
    except ValueError as error:  # a NUL in its name
        raise OSError(errno.EINVAL, "no such name") from error
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")
    with path.open("rb") as file:
        found = file.read(limit + 1)
    if len(found) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes")
    return found


def config_lines(path: Path) -> list[str]:
    """The lines of a config; none where it cannot be read.

    As for OpenSSH a newline alone ends a line: with any other sign that Python takes for an end, a
    comment could hide a directive.
    """
    try:
        text = content(path, LINES_LIMIT).decode("utf-8", "replace")
    except OSError:
        return []
    return [line.partition("\0")[0] for line in text.split("\n")]


def included_files(patterns: Sequence[str], system: bool = False) -> Iterator[Path]:
    """The files behind an Include; relative names are relative to ~/.ssh, as OpenSSH has it.

    That holds for a file given with -F, too.
    """
    base = SYSTEM_FOLDER if system else expanded(USER_FOLDER)
    for pattern in patterns:
        whole = base / expanded(pattern)
        yield from (Path(found) for found in sorted(glob.glob(str(whole))))
