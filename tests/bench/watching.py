"""What the dashboard costs while it is watched: its share of one core at 1 Hz."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.lab import EIGHT_GPUS, Lab
from tests.bench.starting import PROGRAM
from tests.bench.terminal import Terminal

SETTLE_S = 6.0


def dashboard(lab: Lab, seconds: float) -> Figure:
    """CPU time of the app's process over `seconds` with all panes live in a terminal of 160 x 48."""
    argv = [PROGRAM, "-F", str(lab.config)]
    with Terminal(argv, lab.env) as terminal:
        terminal.wait(lambda out: EIGHT_GPUS.encode() in out, "the list of boxes")
        terminal.drain(0.5)
        terminal.send("\r")
        terminal.wait(lambda out: b"connected" in out, "the connection")
        terminal.drain(1.0)
        terminal.send("\r")
        terminal.wait(lambda out: b"KV cache" in out, "the dashboard")
        terminal.drain(SETTLE_S)
        before = cpu_seconds(terminal.process.pid)
        terminal.drain(seconds)
        share = 100 * (cpu_seconds(terminal.process.pid) - before) / seconds
    return Figure("dashboard at 1 Hz, 8 GPUs", "of one core", "%", share, None, 2.5, 1)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (from Linux's /proc)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
