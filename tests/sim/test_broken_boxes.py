"""The simulated boxes that are broken: a look says what a real one's would, and repairs mend it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.launch import Secrets
from gptoss_tui.sim import launches
from gptoss_tui.sim.container import Container
from gptoss_tui.sim.faults import FAULTS, Fault
from gptoss_tui.sim.first_answer import called
from gptoss_tui.sim.profile import H100, Profile, profiles
from gptoss_tui.sim.world import World
from tests.remote.support import WARM, serving, simulated, spec_on, transport_of, watched

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
    "selinux": ("selinux", "ok", None),
    "docker_snap": ("docker_snap", "warning", None),
    "toolkit_gone": ("no_gpu_runtime", "blocker", "toolkit"),
    "cdi_stale": ("cdi_stale", "blocker", "runtime"),
    "inodes_full": ("disk_inodes", "warning", None),
    "home_denied": ("state_denied", "blocker", None),
    "no_forwarding": ("container_network", "warning", None),
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


async def test_a_launch_on_a_box_with_selinux_leaves_the_label_out(tmp_path: Path) -> None:
    async with simulated(tmp_path, replace(WARM, faults=frozenset({"selinux"}))) as rig:
        box = await rig.box()
        made = await serving(box)
        (container,) = rig.sim.boxes[0].world.containers.values()
    assert made.security_opt == ("label=disable",)
    assert container.body["HostConfig"]["SecurityOpt"] == ["label=disable"]


async def test_a_launch_by_dockers_snap_takes_its_runtime(tmp_path: Path) -> None:
    async with simulated(tmp_path, replace(WARM, faults=frozenset({"docker_snap"}))) as rig:
        await serving(await rig.box())
        (container,) = rig.sim.boxes[0].world.containers.values()
    assert container.body["HostConfig"]["Runtime"] == "nvidia"
    assert container.environment["NVIDIA_VISIBLE_DEVICES"] == "nvidia.com/gpu=0"
    assert container.gpu_ids == ["0"]


def test_every_fault_has_a_line() -> None:
    assert tuple(FAULTS) == get_args(Fault)


async def test_an_old_driver_has_the_cuda_of_its_time(tmp_path: Path) -> None:
    async with simulated(tmp_path, replace(WARM, faults=frozenset({"driver_old"}))) as rig:
        box = await rig.box()
        report = (await box.look()).body
        transport = transport_of(box)
        said = await transport.run(("nvidia-smi", "--query-gpu=driver_version", "--format=csv"))
    assert (report.driver_version, report.cuda_version) == ("535.230.02", "12.2")
    assert b"535.230.02" in said.stdout


COLD = Profile("cold", (H100,))
UNREACHED = "The box cannot reach Hugging Face, and the weights are not in its cache."
# fault, engine: the phase that fails, and what it tells
LAUNCHED: list[tuple[Fault, str, str, str]] = [
    ("no_forwarding", "vllm", "weights", UNREACHED),
    ("no_forwarding", "sglang", "weights", UNREACHED),
    ("no_forwarding", "ollama", "weights", "The box cannot reach the registry: pull model "),
    ("no_network", "vllm", "pull", "The box cannot reach the registry: Get "),
    ("disk_full", "vllm", "weights", "The box's disk is full."),
    ("disk_full", "sglang", "weights", "The box's disk is full."),
    ("disk_full", "ollama", "weights", "The box's disk is full: write /root/"),
]


@pytest.mark.parametrize(("fault", "engine", "phase", "words"), LAUNCHED)
async def test_a_launch_ends_where_a_real_one_would(
    tmp_path: Path, fault: Fault, engine: str, phase: str, words: str
) -> None:
    """In the phase in which the box lacks something, with its cause."""
    async with simulated(tmp_path, replace(COLD, faults=frozenset({fault}))) as rig:
        box = await rig.box()
        spec = await spec_on(box, engine=engine)
        await box.launch(spec, Secrets())
        last = (await watched(box, spec.launch_id))[-1]
    assert (last.state, last.current and last.current.name) == ("failed", phase)
    assert last.error.startswith(words)


@pytest.mark.parametrize(("fault", "asked"), [("no_forwarding", True), ("disk_full", False)])
async def test_a_pull_that_had_begun_does_not_ask_whether_the_model_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, asked: bool
) -> None:
    """As `ready.sh`: only a registry that could not be asked is not needed."""
    steps: list[str] = []

    async def noted(world: World, container: Container, step: str, *more: Any) -> str | None:
        steps.append(step)
        return await called(world, container, step, *more)

    monkeypatch.setattr(launches, "called", noted)
    async with simulated(tmp_path, replace(COLD, faults=frozenset({fault}))) as rig:
        box = await rig.box()
        spec = await spec_on(box, engine="ollama")
        await box.launch(spec, Secrets())
        assert (await watched(box, spec.launch_id))[-1].state == "failed"
    assert steps == ["fetch", *(["model_present"] if asked else [])]


@pytest.mark.parametrize("engine", ["vllm", "ollama"])
async def test_what_is_in_the_cache_needs_no_network(tmp_path: Path, engine: str) -> None:
    async with simulated(tmp_path, replace(WARM, faults=frozenset({"no_forwarding"}))) as rig:
        await serving(await rig.box(), engine=engine)
