"""Room for images and weights, where Docker and the model cache really keep them."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.host import Disk, Finding
from gptoss_tui.domain.preflight.fetching import models_there
from gptoss_tui.domain.preflight.seen import Seen

_LITTLE = 30 * GIB
_FULL = 64 * MIB  # not even a small layer or a lock can be written
_NEEDS = "An image takes about 25 GiB unpacked, the weights 13 GiB (20b) or 61 GiB (120b)."


# An engine's image has tens of thousands of files, a model some dozens.
_FILES = {"docker": 100_000, "containerd": 100_000, "weights": 1_000}


def check(seen: Seen) -> Iterator[Finding]:
    yield from _read_only(seen)
    yield from _copies(seen)
    yield from _inodes(seen)
    yield from _cache(seen)
    short = [disk for disk in seen.report.disks if _short(disk)]
    for disk in short:
        yield _little(seen, disk)
    known = [disk for disk in seen.report.disks if disk.free_bytes is not None]
    if known and not short:
        room = ", ".join(
            f"{(disk.free_bytes or 0) / GIB:,.0f} GiB for {_what(disk)}" for disk in known
        )
        yield Finding(code="disks", level="ok", what=f"Free: {room}.", topic="disks")


_ROLES = {"docker": "images", "weights": "model weights", "state": "the logs of launches"}


def _read_only(seen: Seen) -> Iterator[Finding]:
    """The kernel mounts a disk so after errors: https://docs.kernel.org/admin-guide/ext4.html

    A disk of models alone is often meant to be so.
    """
    shut = {role: at for role, at in seen.probe.read_only.items() if role in _ROLES}
    if seen.elsewhere:
        shut.pop("docker", None)
    broken = {at for role, at in shut.items() if role != "weights"}
    if broken:
        points = " and ".join(at for at in dict.fromkeys(shut.values()) if at in broken)
        things = " and ".join(_ROLES[role] for role, at in shut.items() if at in broken)
        yield Finding(
            code="disk_read_only",
            level="blocker",
            what=f"Nothing can be written to {points}, where {things} belong: "
            "it is mounted read-only. The kernel does that when a disk has errors.",
            do="See sudo dmesg | grep -iE 'i/o error|remount', and reboot the box (it checks its disks "
            "then). If it comes again, take another box.",
            topic="disks",
        )
    kept = shut.get("weights", "")
    if kept and kept not in broken and not models_there(seen.report):
        yield Finding(
            code="cache_read_only",
            level="warning",
            what=f"The model cache lies on {kept}, which is mounted read-only, and has no whole "
            "model: vLLM and SGLang cannot fetch one.",
            do="Name a folder that can be written to (HF_HOME), or launch with --weights-dir.",
            topic="disks",
        )


def _copies(seen: Seen) -> Iterator[Finding]:
    """https://docs.docker.com/engine/storage/drivers/vfs-driver/"""
    if seen.docker is not None and seen.docker.storage_driver == "vfs":
        yield Finding(
            code="docker_vfs",
            level="warning",
            what="Docker keeps a whole copy for each layer of an image (storage driver vfs): an "
            "engine's image takes many times its size, and long to unpack.",
            do="Keep Docker's folder on ext4 or xfs, where it takes overlay2 by itself.",
            topic="disks",
        )


def _inodes(seen: Seen) -> Iterator[Finding]:
    """A file system may have room, and no place for another file."""
    for each in seen.probe.inodes:
        if each.free < _FILES.get(each.role, 0):
            what = "model weights" if each.role == "weights" else "images"
            yield Finding(
                code="disk_inodes",
                level="blocker" if each.free < 100 else "warning",
                what=f"The disk for {what} has room for {each.free:,} more files alone, of "
                f"{each.total:,} (inodes): writing fails with 'no space left', whatever is free.",
                do="See who has so many: sudo du --inodes -x -d 3 / | sort -n | tail. Or: docker "
                "system prune.",
                topic="disks",
            )


def _cache(seen: Seen) -> Iterator[Finding]:
    """Where an Engine without root runs as this user, its containers may do what this user may."""
    if seen.probe.hub_dangling:
        link, _, target = seen.probe.hub_dangling.partition(" -> ")
        yield Finding(
            code="cache_gone",
            level="blocker",
            what=f"The model cache is a link ({link}) to {target}, which is not there: its disk may "
            "not be mounted.",
            do="Mount it, or make that folder, or name another one (HF_HOME).",
            topic="disks",
        )
    if seen.probe.hub_denied and seen.docker is not None and seen.docker.rootless:
        yield Finding(
            code="cache_denied",
            level="blocker",
            what=f"The model cache ({seen.probe.hub_denied}) is not this user's, and containers "
            "here run as this user: a server cannot keep its model there.",
            do=f"sudo chown -R {seen.report.user or 'USER'}: {seen.probe.hub_denied}, or name "
            "another folder (HF_HOME).",
            topic="disks",
        )


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
        do = "See what can go: docker system df; docker image prune. Or move Docker's data-root"
    else:
        do = "Free some space, or keep the cache on another disk (HF_HOME)"
    other = seen.probe.largest_free
    if other is not None and (other.free_bytes or 0) > _LITTLE:
        do += f": {other.path} has {(other.free_bytes or 0) / GIB:,.0f} GiB free"
    held = ""
    if disk.role == "weights" and loose:
        held = f" {loose / GIB:.0f} GiB of the cache are broken downloads or other models."
    return Finding(
        code=f"disk_{disk.role}",
        level="blocker" if full else "warning",
        what=head + held,
        do=f"{_NEEDS} {do}.",
        topic="disks",
        repair="hf-cache" if held else None,
    )
