"""A simulated box in a process of its own, with a server that is ready and has traffic."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.starting import PROGRAM

# Of the boxes that `sim` makes, the third one has eight GPUs.
BOXES, EIGHT_GPUS = 3, "sim-3"


@dataclass(frozen=True)
class Lab:
    """An ssh config that leads to the box of eight GPUs alone, and a home for our own files."""

    config: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "GPTOSS_TUI_HOME": str(self.home)}

    def launch(self) -> None:
        """Launch a server on the box of eight GPUs, and wait until it is ready."""
        argv = [PROGRAM, "launch", EIGHT_GPUS, "-F", str(self.config), "--model", "120b"]
        options = ["--tensor-parallel-size", "8", "--yes", "--wait"]
        subprocess.run([*argv, *options], check=True, capture_output=True, env=self.env)


@contextmanager
def lab(home: Path, *options: str) -> Iterator[Lab]:
    """Run `gptoss-tui sim` with these options until the end of the block."""
    argv = [PROGRAM, "sim", "--boxes", str(BOXES), "--json", *options]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        about = json.loads(process.stdout.readline())
        hosts = Path(about["ssh_config"]).read_text().split("Host ")
        config = home / "ssh_config"
        config.write_text(next(f"Host {one}" for one in hosts if one.startswith(EIGHT_GPUS)))
        yield Lab(config, home)
    finally:
        process.terminate()
        process.wait(10)
