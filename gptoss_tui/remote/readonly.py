"""A box that can be watched and not changed: every call not marked as observing is refused."""

from __future__ import annotations

from typing import Any, cast

from gptoss_tui.errors import ReadOnlyError
from gptoss_tui.remote.box import Box, effect_of


class _ReadOnly:
    def __init__(self, box: Box) -> None:
        self._box = box

    def __getattr__(self, name: str) -> Any:
        member = getattr(Box, name, None)
        ours = isinstance(member, property) or name == "aclose"  # our own side of it
        if effect_of(member) != "observes" and not ours:
            raise ReadOnlyError(
                f"This is a read-only session: {name} could change the box.",
                "Start without --read-only.",
            )
        return getattr(self._box, name)


def read_only(box: Box) -> Box:
    """`box` with only what observes; the rest raises `ReadOnlyError`, by the marks of the seam."""
    return cast("Box", _ReadOnly(box))
