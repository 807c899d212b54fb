"""Reading and writing our own files: private (0600), atomic, versioned, safe with two instances."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from gptoss_tui.errors import StateError


def write_private(path: Path, text: str) -> None:
    """Write `text` to `path` in one step, readable by the user alone.

    Raises `StateError` when the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise StateError(
            f"{path} cannot be written: {error.strerror or error}.",
            "Check the folder's owner and the free space, or set GPTOSS_TUI_HOME to another one.",
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` (through a lock file beside it) against another instance of ours."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StateError(f"{path} cannot be locked: {error.strerror or error}.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_versioned(path: Path, version: int) -> dict[str, Any]:
    """The table in a TOML file of ours; empty where there is none.

    Raises `StateError` when a newer version wrote it (it is left untouched) or it is no TOML.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StateError(
            f"{path} cannot be read: {error}.", "Mend or move the file, then start again."
        ) from error
    found = table.get("version", version)
    if not isinstance(found, int) or found > version:
        raise StateError(
            f"{path} was written by a newer gptoss-tui (format {found}, this one knows {version}).",
            "It is left untouched: update gptoss-tui, or set GPTOSS_TUI_HOME to another folder.",
        )
    return table


def write_versioned(path: Path, version: int, table: Mapping[str, Any]) -> None:
    """Write `table` with its format's `version` at the head."""
    write_private(path, tomli_w.dumps({"version": version, **table}))
