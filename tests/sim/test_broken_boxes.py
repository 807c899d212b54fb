"""The simulated boxes that are broken: a look says what a real one's would, and repairs mend it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gptoss_tui.domain.host import Finding
from gptoss_tui.sim.profile import Fault, profiles
from tests.remote.support import WARM, simulated

# fault: code, level, repair
EXPECTED: dict[Fault, tuple[str, str, str | None]] = {
    "no_docker": ("no_docker", "blocker", None),
    "docker_denied": ("docker_permission", "blocker", "docker-group"),
    "docker_down": ("docker_down", "blocker", "docker-start"),
    "podman_only": ("podman_only", "blocker", None),
    "no_toolkit": ("no_gpu_runtime", "blocker", "toolkit"),
    "no_runtime": ("gpu_runtime_unconfigured", "warning", "runtime"),
    "disk_full": ("disk_weights", "warning", "hf-cache"),
    "no_gpu": ("no_gpu", "blocker", None),
    "nouveau": ("nouveau", "blocker", None),
    "driver_mismatch": ("driver_mismatch", "blocker", None),
    "driver_old": ("driver_old", "warning", None),
    "gpu_hung": ("gpu_hung", "blocker", None),
    "gpu_xid": ("gpu_xid", "warning", None),
    "gpu_hot": ("gpu_throttled", "warning", None),
    "no_network": ("registry_unreachable", "warning", None),
    "clock_off": ("clock_off", "warning", None),
    "shm_small": ("shm_small", "warning", None),
    "port_taken": ("port_taken", "warning", None),
    "no_tools": ("tools", "blocker", None),
}


async def _findings(folder: Path, fault: Fault) -> dict[str, Finding]:
    async with simulated(folder, replace(WARM, faults=frozenset({fault}))) as rig:
        report = (await (await rig.box()).look()).body
    return {finding.code: finding for finding in report.findings}


@pytest.mark.parametrize("fault", EXPECTED)
async def test_a_look_finds_the_fault(tmp_path: Path, fault: Fault) -> None:
    code, level, repair = EXPECTED[fault]
    found = await _findings(tmp_path, fault)
    assert (found[code].level, found[code].repair) == (level, repair)
    blockers = {finding.code for finding in found.values() if finding.level == "blocker"}
    assert blockers == ({code} if level == "blocker" else set())


async def test_the_bare_box_of_the_demo_can_be_repaired(tmp_path: Path) -> None:
    bare = next(kind for kind in profiles(8) if kind.hostname.startswith("bare"))
    async with simulated(tmp_path, bare) as rig:
        report = (await (await rig.box()).look()).body
    assert {finding.repair for finding in report.findings if finding.repair} == {
        "toolkit", "hf-cache",
    }  # fmt: skip
