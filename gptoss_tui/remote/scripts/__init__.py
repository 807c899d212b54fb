"""The programs that run on a box: POSIX sh, each with one reason to exist, sent along each time.

Nothing is installed on a box. A script travels as an argument of `sh -c` and is named by its `$0`
(`gptoss-probe`), by which `ps` shows it and the simulated box knows it. Values travel as further
arguments or on standard input: no value is ever pasted into shell text.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

Script = Literal[
    "watch", "probe", "start", "launches", "cancel", "dial", "guard", "repair", "repair_log",
    "repair_survey",
]  # fmt: skip


@cache
def text(file: str) -> str:
    """The source of `file` (as "watch.sh")."""
    return Path(__file__).with_name(file).read_text(encoding="utf-8")


def command(script: Script, *args: str) -> tuple[str, ...]:
    """The argument list that runs `script` on a box with `args`."""
    name = "launch" if script == "start" else script
    return ("sh", "-c", text(f"{script}.sh"), f"gptoss-{name.replace('_', '-')}", *args)
