"""A launch through a registry throttled to a known rate: how true the shown time left was.

`python -m tests.real.pull_figures` (root) prints it for one image, `--grid` for images of several
sizes and layers at several rates; a test holds a looser bound.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.real import made_images
from tests.real.box import RealBox, real_box
from tests.real.cli import Cli
from tests.real.parts import lab, missing
from tests.real.registry import registry
from tests.real.throttle import Throttle
from tests.real.truth import MIB, Figures, figures, watched
from tests.real.waiting import until


def measure(
    box: RealBox, way: Throttle, cli: Cli, image: str, *, to_the_end: bool = False
) -> Figures:
    """Launch `image` and compare what was shown each second with what came.

    `to_the_end`: wait also for the end of the launch.
    """
    box.forget_image(image)
    where = ("box", "-F", str(box.ssh_config))
    launch = cli.start("launch", *where, "--image", image, "--yes", "--wait", "--json")
    shown = watched(launch, "pull")
    if to_the_end:  # the helper's, so that nothing of it comes after what follows here
        launch.communicate(timeout=200)
    return figures(shown, way.bytes_per_s)


# MiB of the layers, and the rates (MiB/s) at which each image is pulled.
GRID: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "one layer of 60": ((60,), (2, 12)),
    "one layer of 200": ((200,), (6, 25)),
    "12 layers of 5": ((5,) * 12, (2, 12)),
    "25 layers of 8": ((8,) * 25, (6, 25)),
    "like vLLM's, of 240": (made_images.like_vllm(240), (6, 25)),
}


def grid(box: RealBox, way: Throttle, folder: Path, store: Path) -> bool:
    """Print a line for each image and rate; whether all is true. No pull knows of an earlier one."""
    true = True
    for place, (words, (layers, rates)) in enumerate(GRID.items()):
        name = f"made/number{place}:1"
        made_images.make(folder, store, name, layers, place)
        for rate in rates:
            way.bytes_per_s = rate * MIB
            with tempfile.TemporaryDirectory(prefix="gptoss-tui-pull-") as home:
                cli = Cli(Path(home))
                found = measure(box, way, cli, name, to_the_end=True)
                cli.end()
            until(f"{name} is gone", lambda: _gone(box))
            print(f"{words} MiB: {found.words()} (load {os.getloadavg()[0]:.1f})", flush=True)
            true = true and found.true
    return true


def _gone(box: RealBox) -> bool:
    """Have no image in the box."""
    box.clear()
    for number in set(box.docker("images", "-aq").split()):
        box.docker("rmi", "-f", number, check=False)
    return not box.containers() and not box.docker("images", "-aq").split()


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
                return 0 if grid(box, way, folder, store) else 1
            found = measure(box, way, Cli(home), arguments.image)
    print(found.words())
    print(json.dumps({"errors": [round(error, 3) for error in found.errors]}))
    return 0 if found.true else 1


if __name__ == "__main__":
    sys.exit(main())
