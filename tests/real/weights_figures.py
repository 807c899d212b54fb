"""A launch whose model comes from a throttled hub: how true the shown time left was.

`python -m tests.real.weights_figures` (root) prints it for several ways in which a download goes; a
test holds one of them. The client is the real one, in a container, and writes into the box's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gptoss_tui.domain.export import export
from gptoss_tui.domain.launch import LaunchSpec
from tests.real import hub_image
from tests.real.box import RealBox, real_box
from tests.real.cli import Cli
from tests.real.hub import File, Hub
from tests.real.parts import lab, missing
from tests.real.registry import registry
from tests.real.relay import Relay
from tests.real.throttle import Throttle
from tests.real.truth import MIB, Figures, figures, watched
from tests.real.waiting import until

MODEL = "openai/gpt-oss-20b"
SHARDS = (4793, 4804, 4165)  # MB of its three files (huggingface.co/openai/gpt-oss-20b)


def files(total_mib: int) -> tuple[File, ...]:
    """The model's files to scale."""
    return tuple(
        File(
            f"model-{number:05}-of-{len(SHARDS) - 1:05}.safetensors",
            total_mib * one // sum(SHARDS) * MIB,
        )
        for number, one in enumerate(SHARDS)
    )


@dataclass(frozen=True)
class Way:
    """A download: how much, how fast, from which storage, and what befalls it on its way."""

    total_mib: int
    rate_mib: float
    xet: bool = True
    cut: bool = False
    stall_s: float = 0.0
    left_over: bool = False  # of an earlier download that was killed


WAYS: dict[str, Way] = {
    "Xet": Way(240, 6),
    "Xet, quick": Way(1200, 40),
    "plain HTTP": Way(240, 6, xet=False),
    "plain HTTP, connections break": Way(240, 6, xet=False, cut=True),
    "Xet, connections break": Way(1200, 30, cut=True),
    "Xet, nothing comes for 25 s": Way(240, 6, stall_s=25),
    "Xet, after a download that was killed": Way(240, 6, left_over=True),
}


def measure(box: RealBox, cli: Cli, folder: Path, way: Way) -> Figures:
    """Launch with the model from a hub as `way` says, and compare what was shown with what came."""
    with ExitStack() as stack:
        hub = stack.enter_context(Hub(MODEL, files(way.total_mib), xet=way.xet))
        line = stack.enter_context(Throttle("0.0.0.0", ("127.0.0.1", hub.port), way.rate_mib * MIB))
        file = _spec(box, cli, folder, hub, f"http://{box.gateway}:{line.port}")
        cache = box.home / ".cache/huggingface/hub"
        if way.left_over:
            _half_made(cache, hub, way)
        where = ("box", "-F", str(box.ssh_config), "--from", str(file))
        launch = cli.start("launch", *where, "--yes", "--wait", "--json", "--force")
        with ThreadPoolExecutor(1) as apart:
            befallen = apart.submit(_befall, hub, line, way)
            shown = watched(launch, "weights")
            launch.kill()
    return figures(shown, way.rate_mib * MIB, by_time=True, after=befallen.result())


def _spec(box: RealBox, cli: Cli, folder: Path, hub: Hub, endpoint: str) -> Path:
    """A file to launch from, whose model is as large as the hub's and comes from there."""
    words = ("launch", "box", "-F", str(box.ssh_config), "--image", hub_image.IMAGE, "--dry-run")
    (planned,) = cli.json(*words)
    spec = msgspec.convert(planned["spec"], LaunchSpec)
    spec = msgspec.structs.replace(
        spec,
        weights_bytes=hub.total_bytes,
        environment=(*spec.environment, ("HF_ENDPOINT", endpoint)),
    )
    file = folder / "launch.yaml"
    file.write_text(export(spec, "compose"))
    return file


def _half_made(cache: Path, hub: Hub, way: Way) -> None:
    """What a client that was killed in the middle leaves, which no later one takes up again."""
    blobs = cache / f"models--{MODEL.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    for file in hub.files.values():
        left = blobs / f"{file.sha256}.00c0ffee.incomplete"
        left.write_bytes(bytes(file.size // 2))
        os.utime(left, (1, 1))


def _befall(hub: Hub, line: Relay, way: Way) -> datetime | None:
    """When a third has come: break connections, or let nothing through for a while; its end."""
    if not way.cut and not way.stall_s:
        return None
    until("a third has come", lambda: hub.sent >= hub.total_bytes / 3, timeout_s=200)
    if way.cut:
        hub.cut(len(hub.files))
    if not way.stall_s:
        return None
    line.hold_after(0)
    time.sleep(way.stall_s)
    line.release()
    return datetime.now(UTC)


def forget(box: RealBox) -> None:
    """The box has no model any more."""
    box.run("rm", "-rf", str(box.home / ".cache/huggingface"))


def run(each: Callable[[str, Figures], None], ways: dict[str, Way], folder: Path) -> None:
    """One box, one launch for each of the `ways`."""
    with tempfile.TemporaryDirectory(prefix="gptoss-tui-weights-") as name:
        home = Path(name)
        with (
            registry(folder / "registry", home) as port,
            Relay("0.0.0.0", ("127.0.0.1", port)) as relay,
            real_box(relay.port) as box,
        ):
            hub_image.build(box, folder)
            for words, way in ways.items():
                with tempfile.TemporaryDirectory(prefix="gptoss-tui-home-") as apart:
                    cli = Cli(Path(apart))
                    each(words, measure(box, cli, Path(apart), way))
                    cli.end()
                box.clear()
                forget(box)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.real.weights_figures", description=__doc__
    )
    parser.add_argument(
        "--only", action="append", choices=WAYS, help="one of them (again for more)"
    )
    parser.add_argument(
        "--mib", type=int, help="one download of this size instead, from Xet storage"
    )
    parser.add_argument("--rate", type=float, default=40.0, help="of that, MiB/s")
    parser.add_argument("--plain", action="store_true", help="that by plain HTTP")
    arguments = parser.parse_args()
    folder = lab()
    if folder is None or missing() or os.getuid() != 0:
        print(missing() or "This needs root.", file=sys.stderr)
        return 2
    ways = {name: way for name, way in WAYS.items() if name in (arguments.only or WAYS)}
    if arguments.mib:
        ways = {"one": Way(arguments.mib, arguments.rate, xet=not arguments.plain)}
    true: list[bool] = []

    def tell(words: str, found: Figures) -> None:
        print(f"{words}: {found.words()} (load {os.getloadavg()[0]:.1f})", flush=True)
        print(json.dumps({"errors": [round(error, 3) for error in found.errors]}), file=sys.stderr)
        true.append(found.true)

    run(tell, ways, folder)
    return 0 if all(true) else 1


if __name__ == "__main__":
    sys.exit(main())
