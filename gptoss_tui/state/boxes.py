"""The boxes that the user chose, and how they are reached when no ssh config names them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gptoss_tui.errors import StateError
from gptoss_tui.state import files

VERSION = 1


class StoredBox(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A remembered box. `host` None: the name is one of the ssh config (or "local")."""

    name: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    identity: str | None = None
    jump: str | None = None
    options: tuple[str, ...] = ()


def read(path: Path) -> tuple[StoredBox, ...]:
    """The remembered boxes, in the order they were chosen. Raises `StateError`."""
    table = files.read_versioned(path, VERSION)
    try:
        return tuple(msgspec.convert(table.get("boxes", []), list[StoredBox]))
    except msgspec.ValidationError as error:
        raise StateError(f"{path}: {error}.", "Mend or remove the entry.") from error


def remember(path: Path, box: StoredBox) -> None:
    """Add or replace a box of that name."""
    with files.locked(path):
        boxes = [old for old in read(path) if old.name != box.name]
        _write(path, [*boxes, box])


def forget(path: Path, name: str) -> None:
    """Take a box off the list; nothing happens when it is not on it."""
    with files.locked(path):
        _write(path, [old for old in read(path) if old.name != name])


def _write(path: Path, boxes: list[StoredBox]) -> None:
    files.write_versioned(path, VERSION, {"boxes": [msgspec.to_builtins(box) for box in boxes]})
