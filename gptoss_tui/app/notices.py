"""What is said in passing: for a few seconds, over no question, and gone with the place it is about."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from textual.notifications import Notification

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp

SAID_S = 4  # how long a sentence stays
ERROR_S = 8  # how long a failure stays; what a provider does with a box stays longer
_MOST = 8  # that wait; a question may stay open for long, and only the newest are news then


class Notices:
    """Holds back what is said while a question is open, and hushes what is over."""

    def __init__(self, app: GptossApp) -> None:
        self._app = app
        self._held: deque[Notification] = deque(maxlen=_MOST)

    def holds(self, notice: Notification) -> bool:
        """Whether the notice waits: a question, which it would cover, is open now."""
        if not self._app.screen.is_modal:
            return False
        self._held.append(notice)
        return True

    def release(self) -> None:
        """Say what waited, when no question is open any more."""
        if self._app.screen.is_modal:
            return
        held = tuple(self._held)
        self._held.clear()
        for one in held:
            self._app.notify(
                one.message, title=one.title, severity=one.severity,
                timeout=one.timeout, markup=one.markup,
            )  # fmt: skip

    def hush(self, *, wholly: bool = False) -> None:
        """A place is left: what was said in passing was about it, and would cover the next one.

        `wholly` takes also what stays longer, where the place that comes has it in its own words.
        """
        for notice in tuple(self._app._notifications):
            if wholly or notice.timeout <= ERROR_S:
                self._app._unnotify(notice, refresh=False)
        self._app._refresh_notifications()
