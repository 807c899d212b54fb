"""`python -m tests.bench`: prints medians, ratios and targets; exit status 1 where one is missed."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import openssh, overhead
from tests.bench.connecting import panes
from tests.bench.figures import Figure, document, table
from tests.bench.lab import EIGHT_GPUS, lab
from tests.bench.launching import launching
from tests.bench.starting import first_paint, version
from tests.bench.watching import dashboard

SIMULATED = ("version", "launch", "paint", "panes", "cpu")
NAMES = (*SIMULATED, *overhead.NAMES)


def measure(names: set[str], runs: int, seconds: float) -> Iterator[Figure]:
    """The figures of these names, each as soon as it is known."""
    if "version" in names:
        yield version(runs)
    if "launch" in names:
        with (
            tempfile.TemporaryDirectory(prefix="gptoss-tui-bench-") as folder,
            lab(Path(folder), "--warm") as boxes,
        ):
            yield from launching(boxes, runs)
    if names & {"paint", "panes", "cpu"}:
        yield from simulated(names, runs, seconds)
    if names & set(overhead.NAMES):
        yield from over_openssh(names, runs)


def simulated(names: set[str], runs: int, seconds: float) -> Iterator[Figure]:
    """What a simulated box of eight GPUs is enough for."""
    with tempfile.TemporaryDirectory(prefix="gptoss-tui-bench-") as folder:
        home = Path(folder)
        with lab(home, "--traffic", "7") as boxes:
            if "paint" in names:
                yield first_paint(runs, boxes.config, EIGHT_GPUS, home)
            if names & {"panes", "cpu"}:
                boxes.launch()
            if "panes" in names:
                yield from panes(boxes, runs)
            if "cpu" in names:
                yield dashboard(boxes, seconds)


def over_openssh(names: set[str], runs: int) -> Iterator[Figure]:
    """What needs a real sshd; where there is none, it says that these are left out."""
    wanted = [name for name in overhead.NAMES if name in names]
    if lacking := openssh.missing():
        print(f"left out: {', '.join(wanted)} (not installed: {lacking})", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="gptoss-tui-bench-") as folder:
        yield from overhead.overhead(names, runs, Path(folder))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one document")
    parser.add_argument("--runs", type=int, default=11, help="of each side, in turns")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the CPU measurement")
    parser.add_argument("--only", action="append", choices=NAMES, help="only this (repeatable)")
    arguments = parser.parse_args()
    figures = []
    for figure in measure(set(arguments.only or NAMES), arguments.runs, arguments.seconds):
        figures.append(figure)
        print(f"measured: {figure.name}", file=sys.stderr)
    print(json.dumps(document(figures)) if arguments.json else table(figures))
    return 0 if all(figure.ok for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
