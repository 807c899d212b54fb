"""A simulated box with podman in Docker's place: found at its own socket, launched on by CDI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gptoss_tui.domain.launch import Secrets
from gptoss_tui.sim.profile import H100, Profile
from tests.remote.support import WARM, serving, simulated, spec_on, until


async def test_podman_is_launched_on_by_cdi(tmp_path: Path) -> None:
    async with simulated(tmp_path, replace(WARM, faults=frozenset({"podman"}))) as rig:
        box = await rig.box()
        report = (await box.look()).body
        assert report.docker is not None
        assert (report.docker.podman, report.docker.version) == (True, "5.4.2")
        codes = {finding.code: finding for finding in report.findings}
        assert codes["podman_socket"].level == "warning"
        assert "by CDI" in codes["gpu_runtime"].what
        spec = await serving(box)
        assert spec.gpu_access == "cdi"
        (container,) = rig.sim.boxes[0].world.containers.values()
        assert container.gpu_ids == list(spec.gpu_ids)
        await box.stop(spec.name)
        assert rig.sim.boxes[0].world.containers == {}


async def test_its_socket_is_found_without_a_look(tmp_path: Path) -> None:
    async with simulated(tmp_path, replace(WARM, faults=frozenset({"podman"}))) as rig:
        assert (await (await rig.box()).instances()).body.instances == ()


async def test_a_cancelled_pull_leaves_the_layers_that_were_complete(tmp_path: Path) -> None:
    cold = Profile("cold", (H100,), faults=frozenset({"podman"}))
    async with simulated(tmp_path, cold, speed=2.0) as rig:
        box = await rig.box()
        spec = await spec_on(box)
        await box.launch(spec, Secrets())
        launch = rig.sim.boxes[0].world.launches[spec.launch_id]
        await until(lambda: b'"Pull complete"' in launch.log, "a layer is complete")
        told = (await box.cancel(spec.launch_id)).body.text
    assert "What remains: the layers of the image that were complete" in told
