"""Looking at a box: the report, its findings, the GPUs now and as a stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.errors import CommandError
from gptoss_tui.remote.box import Box, Cadence
from gptoss_tui.remote.transport import Completed
from gptoss_tui.sim.profile import H100, L40S, PRO6000, Profile
from tests.remote.support import WARM, Rig, opened, serving, simulated, taken, transport_of


async def test_look_reports_what_the_box_is(box: Box) -> None:
    fact = await box.look()
    report = fact.body
    assert (fact.box, fact.seq, fact.instance) == ("sim-1", 1, None)
    assert fact.box_time is not None
    assert report.hostname == "warm"
    assert (report.os, report.architecture) == ("Ubuntu 24.04.2 LTS", "x86_64")
    assert (report.driver_version, report.cuda_version) == ("580.159.04", "13.0")
    assert [gpu.name for gpu in report.gpus] == ["NVIDIA H100 80GB HBM3"] * 2
    assert report.gpus[0].memory_total_bytes == 81559 * MIB
    assert report.gpus[1].compute_capability == "9.0"
    assert report.gpus[0].uuid != report.gpus[1].uuid
    assert {disk.role for disk in report.disks} == {"docker", "weights"}
    assert report.cache_dir == "/root/.cache/huggingface/hub"
    assert 22 in report.listening_ports


async def test_look_speaks_to_docker_over_its_socket(box: Box, rig: Rig) -> None:
    docker = (await box.look()).body.docker
    assert docker is not None
    assert (docker.version, docker.api_version, docker.via) == ("27.3.1", "1.47", "socket")
    assert "nvidia" in docker.runtimes
    assert docker.root_dir == "/var/lib/docker"


async def test_a_sound_box_has_no_blocker_and_no_warning(box: Box) -> None:
    findings = (await box.look()).body.findings
    assert {finding.level for finding in findings} == {"ok"}


async def test_a_busy_gpu_is_a_warning_that_names_the_process(tmp_path: Path) -> None:
    async with simulated(tmp_path, Profile("shared", (L40S, L40S), foreign_mib=31_240)) as rig:
        report = (await (await rig.box()).look()).body
    busy = next(finding for finding in report.findings if finding.code == "gpu_busy")
    assert busy.level == "warning"
    assert "GPU 1 (NVIDIA L40S) already holds 30.5 GiB" in busy.what
    assert "python3 (pid 48211)" in busy.what
    assert report.gpus[1].processes[0].memory_bytes == 31_240 * MIB
    assert not report.gpus[0].processes


async def test_a_gpu_of_our_own_server_is_not_called_busy(tmp_path: Path) -> None:
    async with simulated(tmp_path, WARM) as rig:
        box = await rig.box()
        spec = await serving(box)
        report = (await box.look()).body
    ours = next(finding for finding in report.findings if finding.code == "gpu_ours")
    assert ours.level == "ok"
    assert f"our server {spec.name} uses it" in ours.what
    assert not {"gpu_busy", "gpus"} & {finding.code for finding in report.findings}
    assert report.docker is not None
    assert [(one.name, one.gpu_ids) for one in report.docker.ours] == [(spec.name, spec.gpu_ids)]


async def test_a_pod_is_told_from_a_machine(tmp_path: Path) -> None:
    async with simulated(tmp_path, Profile("pod", (PRO6000,), is_container=True)) as rig:
        box = await rig.box()
        report = (await box.look()).body
        instances = (await box.instances()).body.instances
    blockers = [finding for finding in report.findings if finding.level == "blocker"]
    assert [finding.code for finding in blockers] == ["is_container"]
    assert "runpod" in blockers[0].what
    assert "rent a virtual machine" in blockers[0].do
    assert report.docker is None
    assert [(i.name, i.port, i.managed) for i in instances] == [("vllm-412", 8000, False)]


async def test_gpus_are_seen_in_one_round_trip(box: Box) -> None:
    fact = await box.gpus()
    first, second = fact.body.gpus
    assert fact.body.source == "query"
    assert (first.index, second.index) == (0, 1)
    assert first.power_w == 71.0
    assert (first.gpu_temp_c, first.memory_temp_c) == (31.0, 38.0)
    assert first.memory_used_bytes == 4 * MIB
    assert first.memory_total_bytes == 81559 * MIB
    assert first.encoder_pct is None  # the query has no such column


async def test_watching_shows_figures_at_once_and_then_the_columns_of_dmon(box: Box) -> None:
    facts = await taken(box.watch_gpus(Cadence(period_s=1)), 4)
    assert [fact.body.source for fact in facts] == ["query", "dmon", "dmon", "dmon"]
    assert [fact.seq for fact in facts] == [1, 2, 3, 4]
    sample = facts[-1].body.gpus[1]
    assert sample.name == "NVIDIA H100 80GB HBM3"
    assert sample.memory_total_bytes == 81559 * MIB
    assert (sample.encoder_pct, sample.optical_flow_pct) == (0.0, 0.0)
    assert sample.bar1_used_bytes == 4 * MIB
    assert all(len(fact.body.gpus) == 2 for fact in facts)


async def test_a_summary_polls_and_holds_no_channel(box: Box, rig: Rig) -> None:
    async with opened(box.watch_gpus(Cadence(period_s=0.01, detail="summary"))) as facts:
        for _ in range(3):
            assert (await anext(facts)).body.source == "query"
        assert rig.sim.boxes[0].counters.sessions == 0


async def test_a_running_server_shows_on_its_gpu_only(box: Box) -> None:
    await serving(box, gpus=("1",))
    idle, used = (await box.gpus()).body.gpus
    assert idle.memory_used_bytes == 4 * MIB
    assert used.memory_used_bytes is not None
    assert used.memory_used_bytes > 60 * GIB


@pytest.mark.parametrize(
    ("fault", "code", "next_step"),
    [
        ("no_docker", "no_docker", "Install Docker Engine"),
        ("docker_denied", "docker_permission", "docker group"),
        ("no_gpu", "no_gpu", "driver"),
    ],
)
async def test_what_stands_in_the_way_is_a_blocker_with_a_next_step(
    tmp_path: Path, fault: str, code: str, next_step: str
) -> None:
    async with simulated(tmp_path, replace(WARM, faults=frozenset({fault}))) as rig:
        report = (await (await rig.box()).look()).body
    assert report.findings[0].level == "blocker"
    assert report.findings[0].code == code
    assert next_step in report.findings[0].do


async def test_gpus_of_a_box_without_driver_say_so(tmp_path: Path) -> None:
    from gptoss_tui.errors import CommandError

    async with simulated(tmp_path, replace(WARM, faults=frozenset({"no_gpu"}))) as rig:
        box = await rig.box()
        with pytest.raises(CommandError) as caught:
            await box.gpus()
        with pytest.raises(CommandError):
            await taken(box.watch_gpus(Cadence()), 1)
    assert "driver" in caught.value.message
    assert caught.value.next_step


async def test_a_mixed_box_keeps_its_cards_in_order(tmp_path: Path) -> None:
    async with simulated(tmp_path, Profile("mixed", (H100, L40S))) as rig:
        gpus = (await (await rig.box()).gpus()).body.gpus
    assert [gpu.name for gpu in gpus] == ["NVIDIA H100 80GB HBM3", "NVIDIA L40S"]


@pytest.mark.parametrize(
    ("out", "err", "says"),
    [
        (b"", b"Unmatched '''.\ngpu_fields=: Command not found.\n", "csh or tcsh"),
        (b"This account is currently not available.\n", b"", "account is currently not available"),
        (b"\n@@system\ntime=1\n", b"", "no output"),
        (b"", b"sh: not found\n", "sh: not found"),
    ],
)
async def test_a_login_shell_that_does_not_run_it_is_named(
    box: Box, monkeypatch: pytest.MonkeyPatch, out: bytes, err: bytes, says: str
) -> None:
    async def run(*_: object, **__: object) -> Completed:
        return Completed(status=1, stdout=out, stderr=err)

    monkeypatch.setattr(transport_of(box), "run", run)
    with pytest.raises(CommandError, match=says):
        await box.look()
