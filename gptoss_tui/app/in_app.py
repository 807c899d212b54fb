"""Advice that names a command, in the words of the app: its key, where the app has one for it.

What fails on a box is told to scripts and to the app alike, so its next step is in the words of the
command line. What only the command line can do stays as it is.
"""

from __future__ import annotations

import re

# Command: the key that does it. `docs/guide.md` has all commands, `docs/themes.md` all keys.
_KEYS = {
    "cancel": "l in the dashboard, then x",
    "check": "r in the list of boxes",
    "doctor": "l in the dashboard",
    "forget-key": "forget the old key (f)",  # in the question about it
    "forward": "o in the dashboard",
    "launch": "w in the list of boxes",
    "logs": "p in the dashboard",
    "repair": "m in the list of boxes",
    "restart": "s in the dashboard, then r",
    "stop": "s in the dashboard",
    "upgrade": "v in the dashboard",
}
# Options of `launch` that the wizard has a field for.
_FIELDS = "gpu-ids|image|name|port"
_COMMAND = re.compile(r"(`?)gptoss-tui ([a-z]+(?:-[a-z]+)*)\b(?:[^`.,;)\n]|\.(?=\S))*\1")
_OPTION = re.compile(rf"\(--(?:{_FIELDS})\)")


def in_app(text: str) -> str:
    """`text`, with what to press in the place of our own commands."""
    return _OPTION.sub(f"({_KEYS['launch']})", _COMMAND.sub(_key, text))


def _key(command: re.Match[str]) -> str:
    return _KEYS.get(command[2], command[0])
