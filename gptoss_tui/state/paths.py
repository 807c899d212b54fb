"""The one module that knows where our files are.

`GPTOSS_TUI_HOME` puts everything under one folder (the demo and the tests use a throw-away one);
otherwise the XDG folders hold on Linux, and their counterparts on macOS.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP = "gptoss-tui"


@dataclass(frozen=True)
class Paths:
    """Folders: `config` for what the user writes, `data` for what we keep, `state` for logs."""

    config: Path
    data: Path
    state: Path

    @property
    def config_file(self) -> Path:
        return self.config / "config.toml"

    @property
    def preferences_file(self) -> Path:
        """What was chosen in the app itself (the theme)."""
        return self.data / "preferences.toml"

    @property
    def boxes_file(self) -> Path:
        return self.data / "boxes.toml"

    @property
    def known_hosts(self) -> Path:
        """Host keys accepted in the app; the user's own known_hosts is read, never written."""
        return self.data / "known_hosts"

    @property
    def measurements_file(self) -> Path:
        return self.data / "measurements.toml"

    @property
    def debug_log(self) -> Path:
        return self.state / "debug.log"

    @property
    def saved_pages(self) -> Path:
        """Commands and logs that the user saved from the app."""
        return self.state / "saved"

    @property
    def user_themes(self) -> Path:
        return self.config / "themes"


def paths() -> Paths:
    """The folders in force for this process (nothing is created)."""
    home = os.environ.get("GPTOSS_TUI_HOME")
    if home:
        base = Path(home)
        return Paths(config=base / "config", data=base / "data", state=base / "state")
    dirs = platformdirs.PlatformDirs(APP, appauthor=False)
    return Paths(
        config=Path(dirs.user_config_dir),
        data=Path(dirs.user_data_dir),
        state=Path(dirs.user_state_dir),
    )


def theme_dirs() -> tuple[Path, ...]:
    """Where themes are looked for, later ones winning: the shipped ones, the user's."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "themes"
    # In a checkout they lie beside the package; beside an installed one lie other people's folders.
    return (shipped if shipped.is_dir() else package.parent / "themes", paths().user_themes)
