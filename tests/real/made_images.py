"""Images of any layers for the lab's registry: what is in them comes from its largest image."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024**2
# Compiled libraries and Python sources become so much smaller by gzip's quickest level.
RATIO = 2.9
FILE = 256 * 1024
# Compressed MiB of the layers of vLLM's image, to scale; the base comes first.
VLLM = (29, 4, 1370, 96, 2210, 310, 4460, 1250, 18, 760)


def like_vllm(total_mib: float) -> tuple[float, ...]:
    return tuple(total_mib * one / sum(VLLM) for one in VLLM)


def make(lab: Path, store: Path, name: str, layers_mib: Sequence[float], place: int) -> None:
    """Put an image of layers of about these compressed sizes into the registry's storage `store`.

    No two images of different `place` (0, 1, ...) have a layer in common.
    """
    blobs = (lab / "registry/docker/registry/v2/blobs").rglob("data")
    largest = max(blobs, key=lambda blob: blob.stat().st_size)
    with tempfile.TemporaryDirectory(prefix="gptoss-layers-") as folder, gzip.open(largest) as raw:
        raw.read(MIB * (1 + place))
        tars = []
        for number, size in enumerate(layers_mib):
            tars.append(str(Path(folder) / f"{place}-{number}.tar"))
            with tarfile.open(tars[-1], "w") as tar:
                _fill(tar, raw, int(size * MIB * RATIO), f"{place}/{number}")
        program = [sys.executable, str(ROOT / ".ci/lab/registry.py"), str(store), name]
        subprocess.run([*program, json.dumps({"Cmd": ["/nothing"]}), *tars], check=True)


def _fill(tar: tarfile.TarFile, raw: gzip.GzipFile, size: int, under: str) -> None:
    for number in range(max(1, round(size / FILE))):
        content = raw.read(min(FILE, max(1, size)))
        entry = tarfile.TarInfo(f"layers/{under}/{number}")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
