"""A box that can be watched and not changed: every call marked as changing is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gptoss_tui.errors import ReadOnlyError
from gptoss_tui.remote.box import Box, effect_of

if TYPE_CHECKING:
    _Base = Box
else:
    _Base = object


class ReadOnlyBox(_Base):
    """Passes on what observes and refuses the rest, by the marks of the seam."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        call = getattr(object.__getattribute__(self, "_box"), name)
        mark = effect_of(getattr(Box, name, None) or call)
        if mark == "changes":
            raise ReadOnlyError(
                f"This is a read-only session: {name} would change the box.",
                "Start without --read-only.",
            )
        return call
