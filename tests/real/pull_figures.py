"""A launch through a registry throttled to a known rate: how true the shown time left was.

`python -m tests.real.pull_figures` (root) prints it for one image, `--grid` for images of several
sizes and layers at several rates; a test holds a looser bound.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.real import made_images
from tests.real.box import RealBox, real_box
from tests.real.cli import Cli, Document
from tests.real.parts import lab, missing
from tests.real.registry import registry
from tests.real.throttle import Throttle

MIB = 1024**2
FROM = 0.1  # the shown time left counts from here on


@dataclass(frozen=True)
class Figures:
    """`errors`: by how much of the truth each shown time left was off, one for each second."""

    took_s: float
    total_bytes: int
    rate_bytes_per_s: float
    errors: tuple[float, ...]
    seconds: int
    went_back: int
    at_100: int
    shown_rate_off: float

    @property
    def median_error(self) -> float:
        return statistics.median(self.errors)

    @property
    def within_20(self) -> float:
        return sum(error <= 0.2 for error in self.errors) / len(self.errors)

    def words(self) -> str:
        return (
            f"pull of {self.total_bytes / MIB:.0f} MiB at {self.rate_bytes_per_s / MIB:.1f} MiB/s: "
            f"{self.took_s:.0f} s\n"
            f"shown time left, {len(self.errors)} of {self.seconds} seconds from the first 10 %: "
            f"median {self.median_error:.1%} off the truth, {self.within_20:.0%} within 20 %\n"
            f"shown rate: median {self.shown_rate_off:.1%} off\n"
            f"went back: {self.went_back} times; at 100 % while working: {self.at_100} times"
        )

    def line(self) -> str:
        return (
            f"{self.rate_bytes_per_s / MIB:.0f} MiB/s, {self.took_s:.0f} s: "
            f"median {self.median_error:.0%} off, {self.within_20:.0%} within 20 %, "
            f"went back {self.went_back} times"
        )


def measure(
    box: RealBox, way: Throttle, cli: Cli, image: str, words: Sequence[str] = ()
) -> Figures:
    """Launch `image` and compare what was shown each second with what came."""
    box.forget_image(image)
    where = ("box", "-F", str(box.ssh_config))
    launch = cli.start("launch", *where, "--image", image, "--yes", "--wait", "--json", *words)
    pulls = []
    assert launch.stdout is not None
    for line in launch.stdout:
        document = json.loads(line)
        if document.get("body", {}).get("kind") == "launch":
            pulls.append((datetime.fromisoformat(document["our_time"]), _pull(document)))
            if pulls[-1][1]["state"] not in ("pending", "running"):
                break
    assert pulls, launch.communicate()
    assert pulls[-1][1]["state"] == "done", pulls[-1]
    return _figures(pulls, way.bytes_per_s)


def _pull(document: Document) -> Document:
    return next(phase for phase in document["body"]["phases"] if phase["name"] == "pull")


def _figures(pulls: list[tuple[datetime, Document]], rate: float) -> Figures:
    running = [(at, phase) for at, phase in pulls if phase["state"] == "running"]
    begin = running[0][0]
    end = next(at for at, phase in pulls if phase["state"] == "done")
    fractions = [phase["fraction"] or 0.0 for _, phase in running]
    dones = [phase["done_bytes"] or 0 for _, phase in running]
    each = _each_second(running)
    counted = [(at, phase) for at, phase in each if (phase["fraction"] or 0) >= FROM]
    shown = [(at, phase["left_s"]) for at, phase in counted if phase["left_s"] is not None]
    rates = [phase["rate_bytes_per_s"] for _, phase in counted if phase["rate_bytes_per_s"]]
    return Figures(
        took_s=(end - begin).total_seconds(),
        total_bytes=running[-1][1]["total_bytes"] or 0,
        rate_bytes_per_s=rate,
        errors=tuple(
            abs(left - truth) / truth
            for at, left in shown
            if (truth := (end - at).total_seconds()) >= 1
        ),
        seconds=len(counted),
        went_back=sum(b < a for series in (fractions, dones) for a, b in pairwise(series)),
        at_100=sum(fraction >= 1 for fraction in fractions),
        shown_rate_off=abs(statistics.median(rates) / rate - 1) if rates else 1.0,
    )


def _each_second(running: list[tuple[datetime, Document]]) -> list[tuple[datetime, Document]]:
    """What stood on the screen at each whole second since the begin."""
    begin, found, at = running[0][0], [], 1
    for (_, phase), (later, _) in pairwise(running):
        while (later - begin).total_seconds() >= at:
            moment = datetime.fromtimestamp(begin.timestamp() + at, begin.tzinfo)
            found.append((moment, phase))
            at += 1
    return found


# MiB of the layers, and the rates (MiB/s) at which each image is pulled.
GRID: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "one layer of 60": ((60,), (2, 12)),
    "one layer of 200": ((200,), (6, 25)),
    "12 layers of 5": ((5,) * 12, (2, 12)),
    "25 layers of 8": ((8,) * 25, (6, 25)),
    "like vLLM's, of 240": (made_images.like_vllm(240), (6, 25)),
}


def grid(box: RealBox, way: Throttle, folder: Path, store: Path) -> float:
    """Print a line for each image and rate; the worst median. No pull knows of an earlier one."""
    worst = 0.0
    for place, (words, (layers, rates)) in enumerate(GRID.items()):
        name = f"made/number{place}:1"
        made_images.make(folder, store, name, layers, place)
        for rate in rates:
            way.bytes_per_s = rate * MIB
            with tempfile.TemporaryDirectory(prefix="gptoss-tui-pull-") as home:
                cli = Cli(Path(home))
                found = measure(box, way, cli, name)
                cli.end()
            box.clear()
            print(f"{words} MiB: {found.line()}", flush=True)
            worst = max(worst, found.median_error, found.went_back, found.at_100)
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.real.pull_figures", description=__doc__)
    parser.add_argument("--rate", type=float, default=12.0, help="MiB/s")
    parser.add_argument("--image", default="vllm/vllm-openai:v0.32.0", help="of the lab's registry")
    parser.add_argument("--grid", action="store_true", help="many images, many rates (10 min)")
    arguments = parser.parse_args()
    folder = lab()
    if folder is None or missing() or os.getuid() != 0:
        print(missing() or "This needs root.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="gptoss-tui-pull-") as name:
        home = Path(name)
        store = home / "registry" if arguments.grid else folder / "registry"
        store.mkdir(exist_ok=True)
        with (
            registry(store, home) as port,
            Throttle("0.0.0.0", ("127.0.0.1", port), arguments.rate * MIB) as way,
            real_box(way.port) as box,
        ):
            if arguments.grid:
                return 0 if grid(box, way, folder, store) <= 0.2 else 1
            found = measure(box, way, Cli(home), arguments.image)
    print(found.words())
    print(json.dumps({"errors": [round(error, 3) for error in found.errors]}))
    return 0 if found.median_error <= 0.2 and not (found.went_back or found.at_100) else 1


if __name__ == "__main__":
    sys.exit(main())
