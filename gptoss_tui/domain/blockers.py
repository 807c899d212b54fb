"""What a launch cannot get past on a box: one answer for launch, relaunch and upgrade."""

from __future__ import annotations

from gptoss_tui.domain.host import BoxReport, Finding
from gptoss_tui.domain.preflight import image_finding
from gptoss_tui.errors import DockerError

# What keeps vLLM and SGLang alone from a box: Ollama runs on older GPUs.
_NOT_OF_OLLAMA = ("gpu_too_old",)


def findings_for(report: BoxReport, engine: str, image: str | None = None) -> tuple[Finding, ...]:
    """What was found of the box, as it matters to `engine`, and of its driver against `image`."""
    found = tuple(
        finding
        for finding in report.findings
        if engine != "ollama" or finding.code not in _NOT_OF_OLLAMA
    )
    new = image_finding(report.driver_version, image) if image else None
    if new is None or new.code in {finding.code for finding in found}:
        return found
    return (*found, new)


def blocking(report: BoxReport, engine: str, image: str | None = None) -> tuple[Finding, ...]:
    """All that a launch of `image` by `engine` cannot get past, the hardest first."""
    return tuple(one for one in findings_for(report, engine, image) if one.level == "blocker")


def check(report: BoxReport, engine: str, image: str | None = None) -> None:
    """Raises `DockerError` with all of them, where there are any."""
    found = blocking(report, engine, image)
    if found:
        raise DockerError(" ".join(one.what for one in found), " ".join(one.do for one in found))
