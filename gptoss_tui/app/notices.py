"""What is said in passing: for a few seconds, over no question, and gone with the place it is about.

What is about one box begins with its name and a colon.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.notifications import Notification

if TYPE_CHECKING:
    from gptoss_tui.app.app import GptossApp

SAID_S = 4  # how long a sentence stays
ERROR_S = 8  # how long a failure stays; what a provider does with a box stays longer
_MOST = 8  # that wait; a question may stay open for long, and only the newest are news then


class Notices:
    """Holds back what is said while a question is open, and dismisses what is over."""

    def __init__(self, app: GptossApp) -> None:
        self._app = app
        self._held: deque[Notification] = deque(maxlen=_MOST)

    @property
    def _asked(self) -> bool:
        """Whether a question is open; the app has no place at all while it closes."""
        return any(place.is_modal for place in self._app.screen_stack[-1:])

    def hold(self, notice: Notification) -> bool:
        """Whether the notice waits: a question, which it would cover, is open now."""
        if not self._asked:
            return False
        self._held.append(notice)
        return True

    def hold_shown(self) -> None:
        """A question opens: what is shown now waits as well, else its time would run out unseen."""
        self._held.extend(self._take(lambda _: True))

    def flush(self) -> None:
        """Say what waited, when no question is open any more."""
        if self._asked:
            return
        held = tuple(self._held)
        self._held.clear()
        for one in held:
            stays = one.timeout if _passes(one) else max(ERROR_S, one.time_left)
            self._app.notify(
                one.message, title=one.title, severity=one.severity,
                timeout=stays, markup=one.markup,
            )  # fmt: skip

    def dismiss(self, box: str | None = None) -> None:
        """A place is left: what was said in passing was about it, and would cover the next one.

        With it goes what stays longer about `box`, where the next place tells that by itself.
        """
        self._take(lambda one: _passes(one) or _is_about(one, box))

    def supersede(self, box: str) -> None:
        """A question about `box` has opened: what was said of the box before, and waits, is old."""
        held = [one for one in self._held if not _is_about(one, box)]
        self._held = deque(held, maxlen=_MOST)

    def _take(self, wanted: Callable[[Notification], bool]) -> tuple[Notification, ...]:
        """Show these no longer."""
        taken = tuple(one for one in self._app._notifications if wanted(one))
        for one in taken:
            self._app._unnotify(one, refresh=False)
        self._app._refresh_notifications()
        return taken


def _passes(notice: Notification) -> bool:
    return notice.timeout <= ERROR_S


def _is_about(notice: Notification, box: str | None) -> bool:
    return box is not None and notice.message.startswith(f"{box}: ")
