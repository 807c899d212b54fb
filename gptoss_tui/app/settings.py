"""What the user's own files say of the app: themes, the one chosen, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.theme import Theme

from gptoss_tui.app.theming import DEFAULT, load_themes
from gptoss_tui.errors import GptossError
from gptoss_tui.state import config
from gptoss_tui.state.config import Config
from gptoss_tui.state.paths import paths, theme_dirs

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp


class Settings:
    """Read once, before the first picture; a theme that is chosen later is remembered.

    `problems` are the sentences of what cannot be used. The rest holds.
    """

    def __init__(self, app: GptossApp) -> None:
        self._app = app
        themes, self.problems = load_themes(theme_dirs())
        for theme in themes:
            app.register_theme(theme)
        settings = Config()
        try:
            settings = config.read(paths())
        except GptossError as error:
            self.problems.append(str(error))
        self._take_theme(settings.theme or DEFAULT)
        app.set_keymap(settings.keys)

    def _take_theme(self, wanted: str) -> None:
        if wanted not in self._app.available_themes:
            self.problems.append(f"There is no theme {wanted!r}: {DEFAULT} is used.")
            wanted = DEFAULT
        if wanted in self._app.available_themes:
            self._app.theme = wanted

    def watch(self) -> None:
        """Remember each theme that is chosen from now on."""
        self._app.theme_changed_signal.subscribe(self._app, self._chosen, immediate=True)

    def _chosen(self, theme: Theme) -> None:
        try:
            config.remember_theme(paths(), theme.name)
        except GptossError as error:
            self._app.show_error(error, "remember the theme")
