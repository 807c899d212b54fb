"""What `--read-only` refuses: before a secret is read, a box is contacted or anybody is asked.

The box itself refuses each changing call once more (`remote/readonly.py`).
"""

from __future__ import annotations

from argparse import Namespace

from gptoss_tui.errors import ReadOnlyError

CHANGES = {
    "launch", "cancel", "load-image", "stop", "restart", "upgrade", "chat", "forward", "repair",
    "doctor", "spot",
}  # fmt: skip
# Words without which the command only looks, and words with which it only shows.
_ONLY_WITH = {"repair": "names", "doctor": "apply", "spot": "drain"}
_NOT_WITH = {"launch": ("dry_run", "export_as"), "upgrade": ("dry_run",), "repair": ("dry_run",)}


def check(arguments: Namespace) -> None:
    """Raises `ReadOnlyError` where the words would change a box that may only be watched."""
    command = arguments.command
    if not getattr(arguments, "read_only", False) or command not in CHANGES:
        return
    needed = _ONLY_WITH.get(command)
    changes = needed is None or bool(getattr(arguments, needed))
    if changes and not any(getattr(arguments, word) for word in _NOT_WITH.get(command, ())):
        raise ReadOnlyError(
            f"This is a read-only session: {command} could change the box.",
            "Leave --read-only out.",
        )
