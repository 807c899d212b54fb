"""Advice in the words of the app: each command that it names has the key that is named for it."""

from __future__ import annotations

import argparse
import re

import pytest
from textual.binding import Binding
from textual.screen import Screen

from gptoss_tui.app.in_app import _KEYS, in_app
from gptoss_tui.app.screens.boxes import BoxesScreen
from gptoss_tui.app.screens.dashboard import DashboardScreen
from gptoss_tui.cli.parser import build

PLACES: dict[str, type[Screen[None]]] = {
    "the list of boxes": BoxesScreen,
    "the dashboard": DashboardScreen,
}


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            "Cancel that launch first (`gptoss-tui cancel BOX 20260304-120000-abcdef`).",
            "Cancel that launch first (l in the dashboard, then x).",
        ),
        (
            "Its log says why: see the log pane, or `gptoss-tui logs BOX NAME`.",
            "Its log says why: see the log pane, or p in the dashboard.",
        ),
        (
            "no-cgroups = true in NVIDIA's settings (gptoss-tui repair BOX runtime).",
            "no-cgroups = true in NVIDIA's settings (m in the list of boxes).",
        ),
        (
            "If the box is new: gptoss-tui forget-key '[1.2.3.4]:2222', then connect again.",
            "If the box is new: forget the old key (f), then connect again.",
        ),
        (
            "Choose another port (--port), or stop what listens there.",
            "Choose another port (w in the list of boxes), or stop what listens there.",
        ),
        # What only the command line can do, and what is no command of ours.
        ("Bring the image: gptoss-tui load-image.", "Bring the image: gptoss-tui load-image."),
        ("A newer gptoss-tui launched it.", "A newer gptoss-tui launched it."),
        ("Lower --max-model-len (SGLang: --context-length).",) * 2,
        ("", ""),
    ],
)
def test_a_command_is_told_as_its_key(told: str, shown: str) -> None:
    assert in_app(told) == shown


def test_the_keys_are_there_and_the_commands_too() -> None:
    (commands,) = (a for a in build()._actions if isinstance(a, argparse._SubParsersAction))
    assert _KEYS.keys() <= commands.choices.keys()
    for words in _KEYS.values():
        if found := re.match(r"(\w) in ([\w ]+)", words):
            place = PLACES[found[2]]
            keys = {one.key for one in vars(place)["BINDINGS"] if isinstance(one, Binding)}
            assert found[1] in keys, words
