"""Theme files (`themes/*.toml`) as Textual themes. Their format is in docs/themes.md."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from textual.color import Color, ColorParseError
from textual.theme import Theme

from gptoss_tui.text import clean_line

DEFAULT = "gptoss-dark"
_FIELDS = frozenset(
    [
        "name",
        "dark",
        "primary",
        "secondary",
        "accent",
        "success",
        "warning",
        "error",
        "foreground",
        "background",
        "surface",
        "panel",
        "variables",
        "luminosity_spread",
        "text_alpha",
        "boost",
    ]
)
_COLOURS = _FIELDS - {"name", "dark", "variables", "luminosity_spread", "text_alpha"}


def load_themes(folders: Iterable[Path]) -> tuple[list[Theme], list[str]]:
    """The themes of all folders (later ones win by name), and a sentence for each bad file."""
    themes: dict[str, Theme] = {}
    problems: list[str] = []
    for folder in folders:
        for file in sorted(folder.glob("*.toml")):
            try:
                theme = read_theme(file)
            except (OSError, ValueError, TypeError) as error:
                problems.append(f"The theme {file.name} cannot be used: {clean_line(str(error))}.")
            else:
                themes[theme.name] = theme
    return list(themes.values()), problems


def read_theme(file: Path) -> Theme:
    """One file. Raises `ValueError` for an unknown key, no TOML, no name, or what is no colour."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    unknown = set(table) - _FIELDS
    if unknown:
        raise ValueError(f"{min(unknown)!r} is no key of a theme")
    if not isinstance(table.get("name"), str) or not isinstance(table.get("primary"), str):
        raise ValueError("it needs a name and a primary colour")
    for field in _COLOURS & set(table):
        try:
            Color.parse(table[field])
        except ColorParseError:
            raise ValueError(f"{field} = {table[field]!r} is no colour") from None
    return Theme(**table)
