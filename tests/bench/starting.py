"""How soon the program answers: `--version`, and the first picture of the app."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import Figure, compared
from tests.bench.terminal import WIDE, Terminal

PROGRAM = str(Path(sys.executable).with_name("gptoss-tui"))
EMPTY = "from textual.app import App; App().run()"
_ESCAPES = re.compile(rb"\x1b\[[0-9;?<>=$]*[ -/]*[@-~]|\x1b[^\[]|\r|\n")


def version(runs: int) -> Figure:
    """`gptoss-tui --version` against `python -c pass`, in turns, output into a pipe."""
    ours, base = [], []
    for _ in range(runs):
        base.append(_took([sys.executable, "-c", "pass"]))
        ours.append(_took([PROGRAM, "--version"]))
    return compared("gptoss-tui --version", "python -c pass", ours, base, 3.0)


def _took(argv: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return time.perf_counter() - began


def first_paint(runs: int, config: Path, box: str, home: Path) -> Figure:
    """From the start of the process to the first whole screen in a terminal of 160 x 48.

    Ours must also show a box of the ssh config by then; the empty app has nothing to show.
    """
    env = {**os.environ, "GPTOSS_TUI_HOME": str(home)}
    ours, base = [], []
    for _ in range(runs):
        base.append(_painted([sys.executable, "-c", EMPTY], env, b""))
        ours.append(_painted([PROGRAM, "-F", str(config)], env, box.encode()))
    return compared("first paint of the app", "empty Textual app", ours, base, 1.6)


def _painted(argv: Sequence[str], env: dict[str, str], word: bytes) -> float:
    with Terminal(argv, env) as terminal:
        return terminal.wait(lambda out: word in out and whole_screen(out), "a whole screen")


def whole_screen(output: bytes) -> bool:
    """Whether so much was drawn that every cell of the terminal has had its character."""
    drawn = _ESCAPES.sub(b"", output.partition(b"\x1b[?1049h")[2])
    return len(drawn.decode(errors="ignore")) >= WIDE[0] * WIDE[1]
