"""The driver against the images that would be launched, and the service that NVSwitch needs."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.drivers import CUDA12_DRIVER, CUDA13_DRIVER, branch
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.preflight.images import OLLAMA_DRIVER
from gptoss_tui.domain.preflight.seen import Seen


def check(seen: Seen) -> Iterator[Finding]:
    if not seen.report.gpus:
        return
    yield from _fabric(seen)
    version = seen.report.driver_version
    has = branch(version)
    if has is None:
        return
    if has >= CUDA13_DRIVER:
        yield Finding(
            code="driver",
            level="ok",
            what=f"The driver {version} runs images of CUDA 13.",
            topic="driver",
        )
    elif has >= CUDA12_DRIVER:
        ollama = "" if has >= OLLAMA_DRIVER else f", Ollama not at all (from {OLLAMA_DRIVER})"
        yield Finding(
            code="driver_old",
            level="warning",
            what=f"The driver {version} runs CUDA 12, and not CUDA 13 (from {CUDA13_DRIVER}). vLLM "
            "is launched by its image for CUDA 12 (-cu129); SGLang runs up to 0.5.19"
            f"{ollama}.",
            do=f"It is good for vLLM as it is. For the rest: update the driver to {CUDA13_DRIVER} or "
            "newer.",
            topic="driver",
        )
    else:
        yield Finding(
            code="driver_too_old",
            level="blocker",
            what=f"The driver {version} is too old for any image: CUDA 12 needs {CUDA12_DRIVER} "
            f"or newer, CUDA 13 {CUDA13_DRIVER}.",
            do=f"Update the driver to {CUDA13_DRIVER} or newer, and reboot.",
            topic="driver",
        )


def _fabric(seen: Seen) -> Iterator[Finding]:
    """Without it CUDA starts on none of the GPUs (error 802)."""
    state, version = seen.probe.hardware.fabric_manager, seen.report.driver_version
    if state not in (None, "active", "unknown"):
        yield Finding(
            code="fabric_manager",
            level="blocker",
            what=f"The GPUs are joined by NVSwitch, whose service nvidia-fabricmanager is {state}: "
            "CUDA does not start without it.",
            do="sudo systemctl enable --now nvidia-fabricmanager. It has to be of the driver's very "
            f"release ({version or 'see nvidia-smi'}); where it is missing, its package is "
            f"nvidia-fabricmanager-{branch(version) or 'RELEASE'}.",
            topic="driver",
        )
    elif "In Progress" in seen.probe.detail.fabric:
        yield Finding(
            code="fabric_manager",
            level="blocker",
            what="The GPUs wait to be joined by NVSwitch (Fabric State: In Progress): CUDA does not "
            "start until then (error 802).",
            do="Just after the start of a box: wait some minutes. Else the service "
            "nvidia-fabricmanager is missing, or of another release than the driver "
            f"({version or 'see nvidia-smi'}); where the box's provider runs it, ask there.",
            topic="driver",
        )
