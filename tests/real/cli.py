"""The installed `gptoss-tui`, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Cli:
    """Runs commands with a throw-away home; `prefix` and `environment` place them elsewhere."""

    def __init__(
        self, home: Path, prefix: Sequence[str] = (), environment: dict[str, str] | None = None
    ) -> None:
        self._prefix = [*prefix, str(Path(sys.executable).parent / "gptoss-tui")]
        base = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
        self._environment = {**base, **(environment or {}), "GPTOSS_TUI_HOME": str(home)}
        self._started: list[subprocess.Popen[str]] = []

    def json(self, *words: str, code: int = 0, timeout_s: float = 200) -> list[Document]:
        """Run to the end and read every line of standard output as JSON."""
        done = subprocess.run(
            [*self._prefix, *words, "--json"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        told = f"{words}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == code, told
        assert "Traceback" not in done.stderr, told
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command that runs on; `end` ends what is left of them."""
        started = subprocess.Popen(
            [*self._prefix, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(started)
        return started

    def end(self) -> None:
        """A test that failed half-way must not go on beside the next one."""
        for process in self._started:
            process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
