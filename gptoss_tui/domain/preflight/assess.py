"""All checks, in the order in which a reader wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gptoss_tui.domain.host import DockerInfo, Finding
from gptoss_tui.domain.parse.probe import Probe
from gptoss_tui.domain.preflight import (
    clock,
    containment,
    disks,
    driver,
    engine,
    gpu_health,
    gpus,
    network,
    ports,
    runtime,
    snap,
    system,
)
from gptoss_tui.domain.preflight.seen import Seen

_CHECKS: tuple[Callable[[Seen], Iterator[Finding]], ...] = (
    system.check,
    gpus.check,
    gpu_health.check,
    driver.check,
    engine.check,
    snap.check,
    containment.check,
    runtime.check,
    disks.check,
    ports.check,
    network.check,
    clock.check,
)
_ORDER = {"blocker": 0, "warning": 1, "ok": 2}


def findings(
    probe: Probe, docker: DockerInfo | None, docker_problem: tuple[str, str] | None
) -> tuple[Finding, ...]:
    """Everything worth knowing before a launch, blockers first. Each code stands once."""
    seen = Seen(probe, docker, docker_problem)
    found: dict[str, Finding] = {}
    for check in _CHECKS:
        for finding in check(seen):
            found.setdefault(finding.code, finding)
    return tuple(sorted(found.values(), key=lambda finding: _ORDER[finding.level]))
