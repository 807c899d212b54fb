"""How the GPUs fare: memory errors, errors in the kernel's log, slow-downs, how they are set."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.host import Finding, GpuHealth
from gptoss_tui.domain.parse.probe_host import Xid
from gptoss_tui.domain.preflight.seen import Seen
from gptoss_tui.domain.words import plural

# What says that a card or its links are faulty; others come of programs that went wrong.
# https://docs.nvidia.com/deploy/xid-errors/index.html
XIDS: dict[int, str] = {
    46: "the GPU stopped processing",
    48: "a memory error that could not be corrected",
    61: "the GPU's own microcontroller stopped",
    62: "the GPU's own microcontroller halted",
    63: "a memory row was remapped",
    64: "a memory row could not be remapped",
    74: "an error of NVLink",
    79: "the GPU fell off the bus",
    92: "many memory errors that were corrected",
    94: "a contained memory error",
    95: "a memory error that was not contained",
    109: "a context switch timed out",
    119: "the GPU's system processor does not answer",
    120: "the GPU's system processor failed",
    140: "a memory error that could not be recovered",
    143: "the GPU could not be initialised",
    154: "the GPU needs to be reset",
}


def check(seen: Seen) -> Iterator[Finding]:
    health = seen.report.health
    troubles = [*_memory(seen), *_xids(seen), *_slow(health), *_lanes(seen), *_license(seen)]
    yield from troubles
    if seen.report.gpus and health and not troubles:
        yield Finding(
            code="gpu_health",
            level="ok",
            what=f"The GPUs tell of no errors and are not slowed down{_settings(health)}.",
            topic="GPU health",
        )


def _settings(health: tuple[GpuHealth, ...]) -> str:
    """Persistence mode off does no harm: the first start after a pause takes some seconds more."""
    words = ""
    ecc = {one.ecc for one in health}
    if len(ecc) == 1 and None not in ecc:
        words = "; ECC is on" if True in ecc else "; ECC is off"
    off = any(one.persistence is False for one in health)
    return words + ("; persistence mode is off" if off else "")


def _indices(some: list[GpuHealth]) -> str:
    return ", ".join(str(one.index) for one in some)


def _memory(seen: Seen) -> Iterator[Finding]:
    health = seen.report.health
    failed = [one for one in health if one.repair_failed]
    wrong = [one for one in health if one.ecc_errors]
    pending = [one for one in health if one.repair_pending]
    if failed:
        yield Finding(
            code="gpu_memory_failed",
            level="warning",
            what=f"GPU {_indices(failed)} has memory that could not be repaired any more.",
            do="Have the card replaced; use another one meanwhile.",
            topic="GPU health",
        )
    if wrong:
        count = sum(one.ecc_errors or 0 for one in wrong)
        yield Finding(
            code="gpu_ecc",
            level="warning",
            what=f"GPU {_indices(wrong)} had {count} memory errors that could not be corrected "
            "since its driver was loaded.",
            do="Reset the GPU or reboot the box; if they come again, have the card replaced.",
            topic="GPU health",
        )
    if pending:
        yield Finding(
            code="gpu_reset_pending",
            level="warning",
            what=f"GPU {_indices(pending)} waits for a reset to repair its memory.",
            do="End what runs on it, then: sudo nvidia-smi --gpu-reset, or reboot the box.",
            topic="GPU health",
        )


def _xids(seen: Seen) -> Iterator[Finding]:
    found = [xid for xid in seen.probe.kernel_log.xids if xid.code in XIDS]
    if _told(seen):
        found = [xid for xid in found if xid.code not in (79, 154)]
    if not found:
        return
    last = found[-1]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    yield Finding(
        code="gpu_xid",
        level="warning",
        what=f"The kernel's log tells of a faulty GPU: XID {last.code}, {XIDS[last.code]} "
        f"({last.address}{_ago(seen, last)}){more}.",
        do="Reboot the box. If it comes again, the card is faulty: use another one, or have it "
        "replaced.",
        topic="GPU health",
    )


def _told(seen: Seen) -> bool:
    """Whether it is said already that a GPU is gone, or waits for a reset."""
    gone = not seen.report.gpus or seen.cards_missing > 0
    return gone or bool(seen.probe.gpus_lost or seen.probe.gpus_to_reset)


def _ago(seen: Seen, xid: Xid) -> str:
    now = seen.probe.uptime_s
    if now is None or xid.uptime_s is None or now < xid.uptime_s:
        return ""
    minutes = (now - xid.uptime_s) / 60
    if minutes < 120:
        return f", {minutes:.0f} minutes ago"
    return (
        f", {minutes / 60:.0f} hours ago" if minutes < 2880 else f", {minutes / 1440:.0f} days ago"
    )


def _slow(health: tuple[GpuHealth, ...]) -> Iterator[Finding]:
    slow = [one for one in health if one.throttled]
    if slow:
        why = "; ".join(dict.fromkeys(words for one in slow for words in one.throttled))
        hot = {one.temperature_c for one in slow if one.temperature_c is not None}
        at = f" at {max(hot):.0f} °C" if hot else ""
        yield Finding(
            code="gpu_throttled",
            level="warning",
            what=f"GPU {_indices(slow)} is slowed down now{at}: {why}.",
            do="Check the box's cooling and power; expect less speed until then.",
            topic="GPU health",
        )


def _lanes(seen: Seen) -> Iterator[Finding]:
    narrow = [link for link in seen.probe.detail.links if link.lanes <= 2 and link.most >= 8]
    if narrow:
        first = narrow[0]
        yield Finding(
            code="gpu_lanes",
            level="warning",
            what=f"GPU {', '.join(str(link.index) for link in narrow)} is connected by "
            f"{plural(first.lanes, 'PCIe lane')} of {first.most} (a riser, or a bad contact): "
            "loading a model takes very long, and several GPUs slow each other down.",
            do="Choose another box, or have the card seated in a full slot. On this one: one GPU for "
            "each server.",
            topic="GPU health",
        )


def _license(seen: Seen) -> Iterator[Finding]:
    """https://docs.nvidia.com/vgpu/latest/grid-licensing-user-guide/index.html"""
    lacking = [word for word in seen.probe.detail.licenses if word.lower().startswith("unlicensed")]
    if lacking:
        yield Finding(
            code="vgpu_license",
            level="warning",
            what=f"The GPU is a virtual one (vGPU) without a license ({lacking[0]}): the driver slows "
            "it down after 20 minutes, and further the longer it lacks one.",
            do="Ask the box's provider, or set up the license (/etc/nvidia/ClientConfigToken); "
            "journalctl -u nvidia-gridd says why it has none.",
            topic="GPU health",
        )
