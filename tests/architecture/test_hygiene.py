"""The repository itself: lock files, themes, and the words that belong to no project."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gptoss_tui.app.theming import DEFAULT, load_themes
from tests.architecture.support import ROOT

LOCKS = sorted(ROOT.glob("*.lock"))
THEMES = sorted((ROOT / "themes").glob("*.toml"))


def test_there_are_lock_files() -> None:
    assert {"requirements.lock", "requirements-dev.lock"} <= {lock.name for lock in LOCKS}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_file_pins_with_hashes_and_names_no_address(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links", text) == []
    entries = [
        entry
        for entry in re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n?", "", text))
        if entry.strip()
    ]
    assert len(entries) > 3
    assert [e for e in entries if "==" not in e.split("\n")[0] or "--hash=sha256:" not in e] == []


def test_the_locks_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for lock, wanted in (
        ("requirements.lock", project["dependencies"]),
        (
            "requirements-dev.lock",
            [*project["dependencies"], *project["optional-dependencies"]["dev"]],
        ),
    ):
        text = (ROOT / lock).read_text(encoding="utf-8").lower()
        for line in wanted:
            name = re.split(r"[\[<>=!~; ]", line)[0].lower()
            assert re.search(rf"(?m)^{re.escape(name)}(?:\[[^\]]*\])?==", text), (lock, name)


def test_the_themes_all_load() -> None:
    themes, problems = load_themes([ROOT / "themes"])
    assert problems == []
    assert len(themes) == len(THEMES) >= 4
    names = {theme.name for theme in themes}
    assert DEFAULT in names
    assert any(not theme.dark for theme in themes), "no light theme"
    assert any("256" in name for name in names), "no theme for 256 colours"


# The colours that the 256-colour palette has beyond the first sixteen: a cube and a grey ramp.
_CUBE = (0x00, 0x5F, 0x87, 0xAF, 0xD7, 0xFF)
_GREYS = {8 + 10 * step for step in range(24)}


def _in_palette(colour: str) -> bool:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return {red, green, blue} <= set(_CUBE) or (red == green == blue and red in _GREYS)


def test_the_theme_for_256_colours_uses_only_those() -> None:
    file = next(theme for theme in THEMES if "256" in theme.name)
    colours = re.findall(r'"(#[0-9a-fA-F]{6})', file.read_text(encoding="utf-8"))
    assert len(colours) > 5
    assert [colour for colour in colours if not _in_palette(colour)] == []


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.stem)
def test_text_can_be_read_on_its_background(theme: Path) -> None:
    table = tomllib.loads(theme.read_text(encoding="utf-8"))
    if not all(str(table.get(key, "")).startswith("#") for key in ("foreground", "background")):
        pytest.fail(f"{theme.name} leaves its text or background to chance")
    assert _contrast(table["foreground"], table["background"]) >= 4.5


def _contrast(one: str, other: str) -> float:
    """WCAG 2's ratio of two colours."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_folder_of_sources_is_a_package() -> None:
    folders = {
        path.parent for name in ("gptoss_tui", "tests") for path in (ROOT / name).rglob("*.py")
    }
    assert [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()] == []
