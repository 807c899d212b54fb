"""Who is on a GPU: a server of ours is no stranger, and a stranger beside it is still one."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.gpu import GIB, GpuProcess
from gptoss_tui.domain.host import DockerInfo, Finding, GpuHealth, OwnServer
from gptoss_tui.domain.parse.probe import Owner, Probe
from gptoss_tui.domain.preflight import findings
from tests.unit.make import gpu, report

OURS = OwnServer(name="gpt-oss-20b", container_id="ab" * 32, gpu_ids=("GPU-0",))
DOCKER = DockerInfo(version="28.1.0", api_version="1.49", via="socket", runtimes=("nvidia",))
ENGINE = GpuProcess(pid=900, name="VLLM::EngineCore", memory_bytes=70 * GIB)
STRANGER = GpuProcess(pid=4711, name="python3", memory_bytes=5 * GIB)
OWNERS = (
    Owner(pid=900, user="root", container_id="ab" * 32),
    Owner(pid=4711, user="bob"),
)


def found(
    *processes: GpuProcess,
    ours: tuple[OwnServer, ...] = (OURS,),
    owners: tuple[Owner, ...] = OWNERS,
    used: int = 70 * GIB,
    beside: int = 0,
    mode: str = "Default",
) -> dict[str, Finding]:
    """One GPU with these processes, and `beside` idle ones."""
    cards = (
        gpu(0, memory_used_bytes=used, processes=processes),
        *(gpu(1 + number) for number in range(beside)),
    )
    docker = msgspec.structs.replace(DOCKER, ours=ours)
    health = tuple(GpuHealth(index=card.index, compute_mode=mode) for card in cards)
    box = report(gpus=cards, health=health, driver_version="590.48.01")
    probe = Probe(report=box, owners=owners)
    return {finding.code: finding for finding in findings(probe, docker, None)}


def test_a_server_of_ours_is_good_news() -> None:
    seen = found(ENGINE)
    assert seen["gpu_ours"].level == "ok"
    assert "our server gpt-oss-20b uses it, 70.0 GiB." in seen["gpu_ours"].what
    assert "gpu_busy" not in seen
    assert "gpus" not in seen


def test_the_others_are_said_to_be_free() -> None:
    assert found(ENGINE, beside=1)["gpu_ours"].what.endswith("Nobody is on the others.")
    assert "others" not in found(ENGINE)["gpu_ours"].what


def test_a_stranger_beside_it_is_a_warning_that_tells_them_apart() -> None:
    seen = found(ENGINE, STRANGER, used=75 * GIB)
    assert "gpu_ours" not in seen
    assert seen["gpu_busy"].level == "warning"
    assert "VLLM::EngineCore (pid 900) of our server gpt-oss-20b, 70.0 GiB" in seen["gpu_busy"].what
    assert "python3 (pid 4711) of bob, 5.0 GiB" in seen["gpu_busy"].what


def test_a_gpu_for_one_process_is_no_obstacle_where_that_is_ours() -> None:
    """An upgrade stops it first; a stranger stays."""
    seen = found(ENGINE, mode="Exclusive_Process")
    assert "gpu_exclusive" not in seen
    assert seen["gpu_ours"].level == "ok"
    seen = found(ENGINE, mode="Exclusive_Process", ours=())
    assert seen["gpu_exclusive"].level == "blocker"


def test_a_container_of_somebody_else_is_a_stranger() -> None:
    assert "gpu_busy" in found(ENGINE, ours=())
    other = (Owner(pid=900, user="root", container_id="cd" * 32),)
    assert "gpu_busy" in found(ENGINE, owners=other)


def test_without_a_list_of_processes_the_server_is_known_by_its_gpu() -> None:
    assert "gpu_ours" in found()
    elsewhere = msgspec.structs.replace(OURS, gpu_ids=("GPU-7",))
    assert "gpu_busy" in found(ours=(elsewhere,))
    by_index = msgspec.structs.replace(OURS, gpu_ids=("0",))
    assert "gpu_ours" in found(ours=(by_index,))


def test_an_idle_server_is_not_told_of() -> None:
    assert "gpus" in found(used=4 * 1024**2)
