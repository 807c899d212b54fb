"""Room for images and weights, where Docker and the model cache really keep them."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.host import Disk, Finding
from gptoss_tui.domain.preflight.seen import Seen

_LITTLE = 30 * GIB
_FULL = 64 * MIB  # not even a small layer or a lock can be written
_NEEDS = "An image takes about 25 GiB unpacked, the weights 13 GiB (20b) or 61 GiB (120b)."


def check(seen: Seen) -> Iterator[Finding]:
    short = [disk for disk in seen.report.disks if _short(disk)]
    for disk in short:
        yield _little(seen, disk)
    known = [disk for disk in seen.report.disks if disk.free_bytes is not None]
    if known and not short:
        room = ", ".join(
            f"{(disk.free_bytes or 0) / GIB:,.0f} GiB for {_what(disk)}" for disk in known
        )
        yield Finding(code="disks", level="ok", what=f"Free: {room}.", topic="disks")


def _short(disk: Disk) -> bool:
    return disk.free_bytes is not None and disk.free_bytes < _LITTLE


def _what(disk: Disk) -> str:
    return "images" if disk.role == "docker" else "model weights"


def _little(seen: Seen, disk: Disk) -> Finding:
    free = disk.free_bytes or 0
    full = free < _FULL
    # Nothing can be written at all; else what is there already may be all that is needed.
    head = (
        f"The disk for {_what(disk)} is full ({disk.path})."
        if full
        else f"Only {free / GIB:.1f} GiB are free for {_what(disk)} ({disk.path})."
    )
    loose = seen.probe.incomplete_bytes + seen.probe.others_bytes
    if disk.role == "docker":
        do = "See what can go: docker system df; docker image prune. Or move Docker's data-root."
    else:
        do = "Free some space, or keep the cache on another disk (HF_HOME)."
    held = ""
    if disk.role == "weights" and loose:
        held = f" {loose / GIB:.0f} GiB of the cache are broken downloads or other models."
    return Finding(
        code=f"disk_{disk.role}",
        level="blocker" if full else "warning",
        what=head + held,
        do=f"{_NEEDS} {do}",
        topic="disks",
        repair="hf-cache" if held else None,
    )
