"""Docker from a snap: settings, folders and a toolkit of its own.

The snap brings NVIDIA's toolkit and sets up its runtime `nvidia` by itself where it finds a driver.
It reads /var/snap/docker/current/config/daemon.json, sees home folders and few others, and does not
use the toolkit that the box's package manager installs: with that on the box, its own fails from
29.2.0 on where GPUs are asked for by `--gpus`.
https://github.com/canonical/docker-snap/blob/main/README.md
https://github.com/canonical/docker-snap/issues/357
"""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.preflight.seen import Seen

INSTALL = "https://docs.docker.com/engine/install/ubuntu/"
# What snapd shows of the box to a snap with the plugs `home` and `removable-media`.
_SEEN = ("/home/", "/root/", "/var/snap/", "/media/", "/mnt/")
_INSTEAD = (
    f"Or take Docker Engine instead: sudo snap remove docker (its images go with it), {INSTALL}."
)


def is_snap(seen: Seen) -> bool:
    """Whether the Engine that answers, or would, is the snap."""
    return seen.docker.snap if seen.docker is not None else seen.probe.docker.snap


def check(seen: Seen) -> Iterator[Finding]:
    docker = seen.docker
    if docker is None or not docker.snap:
        return
    if (seen.report.gpus or seen.probe.hardware.cards) and "nvidia" not in docker.runtimes:
        yield Finding(
            code="docker_snap",
            level="blocker",
            what="Docker comes from a snap, which has not set up the GPUs: it takes its own NVIDIA "
            "toolkit, and none that is installed on the box.",
            do="With the driver in place: sudo snap refresh docker && sudo snap restart docker; "
            f"sudo snap logs docker.nvidia-container-toolkit says why not. {_INSTEAD}",
            topic="Docker",
        )
        return
    cache = seen.report.cache_dir
    hidden = (
        f" It does not see the model cache ({cache})."
        if cache is not None and not cache.startswith(_SEEN)
        else ""
    )
    yield Finding(
        code="docker_snap",
        level="warning",
        what="Docker comes from a snap: it sees folders in a home alone, and reads its own "
        f"settings (/var/snap/docker/current/config/daemon.json).{hidden}",
        do=f"Keep models in a home folder. {_INSTEAD}",
        topic="Docker",
    )
