"""What `nvidia-smi` prints when it is asked by field: CSV, its odd words for unknown, its errors."""

from __future__ import annotations

import re

from gptoss_tui.domain.gpu import MIB, Gpu, GpuProcess, GpuSample
from gptoss_tui.domain.host import GpuHealth
from gptoss_tui.domain.parse.numbers import finite, whole

GPU_FIELDS: tuple[str, ...] = (
    "index",
    "uuid",
    "memory.total",
    "memory.used",
    "memory.reserved",
    "compute_cap",
    "power.limit",
    "mig.mode.current",
    "name",
)
# Drivers before R535 know the last but one by the name of the last; what is not known is left out.
HEALTH_FIELDS: tuple[str, ...] = (
    "index",
    "driver_version",
    "persistence_mode",
    "compute_mode",
    "temperature.gpu",
    "ecc.mode.current",
    "ecc.errors.uncorrected.volatile.total",
    "retired_pages.pending",
    "remapped_rows.pending",
    "remapped_rows.failure",
    "clocks_event_reasons.active",
    "clocks_throttle_reasons.active",
)
SAMPLE_FIELDS: tuple[str, ...] = (
    "index",
    "memory.total",
    "memory.used",
    "utilization.gpu",
    "utilization.memory",
    "power.draw",
    "temperature.gpu",
    "temperature.memory",
    "name",
)
_UNKNOWN = re.compile(
    r"^\s*(?:-|\[?\s*(?:N/A|Not Supported|Unknown Error|Not Active|Insufficient Permissions|"
    r"GPU is lost|GPU requires reset)\s*\]?)?\s*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"^\s*(-?\d+(?:\.\d+)?)")
_BAD_FIELD = re.compile(r'Field "([^"]+)" is not a valid field to query')

# Why a GPU is slowed down, where that is no part of ordinary work: nvmlClocksEventReasons,
# https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html
_THROTTLED: tuple[tuple[int, str], ...] = (
    (0x20, "it is too hot (software thermal slowdown)"),
    (0x40, "it is too hot (hardware thermal slowdown)"),
    (0x80, "its power supply holds it back (power brake)"),
)
_HW_SLOWDOWN = 0x08  # stands beside the last two, or alone

Row = dict[str, str | None]


def rows(text: str, fields: tuple[str, ...]) -> list[Row]:
    """CSV rows by field name, unknown values as None; lines that are no rows are passed over.

    `name` may hold a comma (it is asked for last); an error line can stand among the rows.
    """
    found: list[Row] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",", len(fields) - 1)]
        if len(cells) == len(fields) and whole(cells[0]) is not None:
            known = (None if _UNKNOWN.match(cell) else cell for cell in cells)
            found.append(dict(zip(fields, known, strict=True)))
    return found


def parse_gpus(text: str, fields: tuple[str, ...] = GPU_FIELDS) -> tuple[Gpu, ...]:
    """The answer to `--query-gpu=GPU_FIELDS --format=csv,noheader[,nounits]`."""
    return tuple(
        Gpu(
            index=whole(row["index"]) or 0,
            name=row.get("name") or "unknown GPU",
            uuid=row.get("uuid"),
            memory_total_bytes=_mib(row.get("memory.total")),
            memory_used_bytes=_mib(row.get("memory.used")),
            memory_reserved_bytes=_mib(row.get("memory.reserved")),
            compute_capability=row.get("compute_cap"),
            power_limit_w=number(row.get("power.limit")),
            mig=(row.get("mig.mode.current") or "").lower() == "enabled",
        )
        for row in rows(text, fields)
    )


def parse_samples(text: str, fields: tuple[str, ...] = SAMPLE_FIELDS) -> tuple[GpuSample, ...]:
    """The answer to `--query-gpu=SAMPLE_FIELDS --format=csv,noheader[,nounits]`."""
    return tuple(
        GpuSample(
            index=whole(row["index"]) or 0,
            name=row.get("name"),
            power_w=number(row.get("power.draw")),
            gpu_temp_c=number(row.get("temperature.gpu")),
            memory_temp_c=number(row.get("temperature.memory")),
            sm_pct=number(row.get("utilization.gpu")),
            memory_pct=number(row.get("utilization.memory")),
            memory_used_bytes=_mib(row.get("memory.used")),
            memory_total_bytes=_mib(row.get("memory.total")),
        )
        for row in rows(text, fields)
    )


def parse_health(text: str, fields: tuple[str, ...] = HEALTH_FIELDS) -> tuple[GpuHealth, ...]:
    """The answer to `--query-gpu=HEALTH_FIELDS --format=csv,noheader,nounits`."""
    return tuple(
        GpuHealth(
            index=whole(row["index"]) or 0,
            persistence=_switched(row.get("persistence_mode")),
            ecc=_switched(row.get("ecc.mode.current")),
            ecc_errors=whole(row.get("ecc.errors.uncorrected.volatile.total")),
            repair_pending=_yes(row.get("retired_pages.pending"))
            or _yes(row.get("remapped_rows.pending")),
            repair_failed=_yes(row.get("remapped_rows.failure")),
            throttled=_throttled(
                row.get("clocks_event_reasons.active") or row.get("clocks_throttle_reasons.active")
            ),
            compute_mode=row.get("compute_mode"),
            temperature_c=number(row.get("temperature.gpu")),
        )
        for row in rows(text, fields)
    )


def marked(text: str, words: str) -> tuple[int, ...]:
    """The GPUs in whose rows the driver says this in place of a value ("GPU requires reset")."""
    found = (line.partition(",") for line in text.splitlines() if f"[{words}]" in line)
    return tuple(sorted({index for cell, _, _ in found if (index := whole(cell)) is not None}))


def driver_of(text: str, fields: tuple[str, ...] = HEALTH_FIELDS) -> str | None:
    """The driver's version in the same answer."""
    return next((row.get("driver_version") for row in rows(text, fields)), None)


def _switched(word: str | None) -> bool | None:
    return {"enabled": True, "disabled": False}.get((word or "").lower())


def _yes(word: str | None) -> bool:
    """`Yes`, or a count above 0 (both forms occur)."""
    return (word or "").lower() == "yes" or (whole(word) or 0) > 0


def _throttled(mask: str | None) -> tuple[str, ...]:
    """A bit mask as 0x0000000000000044, in words."""
    try:
        bits = int(mask or "0", 16)
    except ValueError:
        return ()
    found = tuple(words for bit, words in _THROTTLED if bits & bit)
    return found or (("the hardware slows it down",) if bits & _HW_SLOWDOWN else ())


def parse_compute_apps(text: str) -> tuple[GpuProcess, ...]:
    """The answer to `--query-compute-apps=gpu_uuid,pid,process_name,used_memory`."""
    found: list[GpuProcess] = []
    for line in text.splitlines():
        uuid, _, rest = line.partition(",")
        word, _, rest = rest.partition(",")
        name, _, memory = rest.rpartition(",")
        pid = whole(word)
        if pid is not None:
            found.append(
                GpuProcess(
                    pid=pid,
                    name=name.strip() or "?",
                    gpu_uuid=uuid.strip() or None,
                    memory_bytes=_mib(memory),
                )
            )
    return tuple(found)


def parse_driver_version(banner: str) -> str | None:
    """The driver's version in the table's head (driver 610 calls it "KMD Version")."""
    match = re.search(r"(?:Driver|KMD) Version:\s*([\d.]+)", banner)
    return match[1] if match else None


def parse_cuda_version(banner: str) -> str | None:
    """The CUDA version in the table's head (driver 610 calls it "CUDA UMD Version")."""
    match = re.search(r"CUDA (?:UMD )?Version:\s*([\d.]+)", banner)
    return match[1] if match else None


def bad_field(text: str) -> str | None:
    """The field that this driver does not know: it fails the whole query."""
    match = _BAD_FIELD.search(text)
    return match[1] if match else None


_FAILURES: tuple[tuple[str, str, str], ...] = (
    (
        "Driver/library version mismatch",
        "The NVIDIA driver was updated, but the old kernel module is still loaded.",
        "Reboot the box (or unload and reload the nvidia kernel modules).",
    ),
    (
        "GPU is lost",
        "The driver lost a GPU: it fell off the bus.",
        "Reboot the box. If it comes again, the card or its power is faulty.",
    ),
    (
        "couldn't communicate with the NVIDIA driver",
        "nvidia-smi is installed, but no NVIDIA driver is running.",
        "Install the driver or load its kernel module, then look again.",
    ),
    (
        "No devices were found",
        "The driver runs, but finds no GPU.",
        "Check that a GPU is attached to this box, and the kernel log for NVRM errors.",
    ),
    (
        "Unable to determine the device handle",
        "The driver cannot reach one of the GPUs.",
        "Reboot the box; see the kernel log for NVRM errors.",
    ),
    (
        "Insufficient Permissions",
        "This user may not ask the NVIDIA driver.",
        "Check the permissions of /dev/nvidia*.",
    ),
    (
        "command not found",
        "nvidia-smi is not installed.",
        "Install NVIDIA's driver.",
    ),
    (
        "not found",
        "nvidia-smi is not installed here.",
        "Install NVIDIA's driver, or choose a box with a GPU.",
    ),
    (
        "Failed to initialize NVML",
        "The NVIDIA driver cannot be initialised.",
        "Reboot the box; in a container, check the NVIDIA runtime.",
    ),
)


def explain_failure(text: str, status: int = 0) -> tuple[str, str] | None:
    """What a failed `nvidia-smi` means, as a sentence and a next step; None where it is unknown."""
    lowered = text.lower()
    for pattern, sentence, step in _FAILURES:
        if pattern.lower() in lowered:
            return sentence, step
    if status == 127:
        return "nvidia-smi is not installed here.", "Install NVIDIA's driver."
    return None


def number(cell: str | None) -> float | None:
    """The number at the head of a cell, with or without its unit; None where there is none."""
    match = _NUMBER.match(cell or "")
    return finite(match[1]) if match else None


def _mib(cell: str | None) -> int | None:
    value = number(cell)
    return None if value is None else round(value * MIB)
