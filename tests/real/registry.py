"""A real registry over the lab's images."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.waiting import until

_CONFIG = """version: 0.1
log: {{level: info}}
storage: {{filesystem: {{rootdirectory: {root}}}, maintenance: {{readonly: {{enabled: true}}}}}}
http: {{addr: "127.0.0.1:0"}}
"""


@contextmanager
def registry(storage: Path, folder: Path) -> Iterator[int]:
    """Serve the images in `storage` on 127.0.0.1; the port."""
    config, log = folder / "registry.yml", folder / "registry.log"
    config.write_text(_CONFIG.format(root=storage))
    with log.open("w") as sink:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "docker-registry", "serve", str(config)],
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        (port, *_) = until(
            f"the registry listens (its log: {log})",
            lambda: re.findall(r"listening on 127\.0\.0\.1:(\d+)", log.read_text()),
        )
        yield int(port)
    finally:
        process.kill()
        process.wait()
