"""`config.toml`: what the user sets. It is read, never written: comments in it stay.

What is chosen in the app (the theme) is remembered beside our own data; the user's file wins.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from gptoss_tui.errors import StateError
from gptoss_tui.state import files
from gptoss_tui.state.paths import Paths

VERSION = 1


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`theme` by name; `keys` maps the id of a binding to its keys, as `"dash.stop" = "X"`."""

    version: int = VERSION
    theme: str | None = None
    keys: dict[str, str] = {}


def read(paths: Paths) -> Config:
    """The user's settings, then what the app remembers. Raises `StateError`."""
    config = _read(paths.config_file)
    if config.theme is not None:
        return config
    return msgspec.structs.replace(config, theme=_read(paths.preferences_file).theme)


def remember_theme(paths: Paths, theme: str) -> None:
    """Keep the theme that was chosen in the app. Raises `StateError`."""
    files.write_versioned(paths.preferences_file, VERSION, {"theme": theme})


def _read(path: Path) -> Config:
    table = files.read_versioned(path, VERSION)
    try:
        return msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise StateError(f"{path}: {error}.", "Mend or remove that line.") from error
