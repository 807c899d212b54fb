"""How a container gets its GPUs, and that both renderings say the same of it."""

from __future__ import annotations

import msgspec
import pytest

from gptoss_tui.domain.gpu_access import gpu_access
from gptoss_tui.domain.host import DockerInfo
from gptoss_tui.domain.render import docker_run, engine_api_body
from gptoss_tui.errors import UsageError
from tests.unit.make import gpu, spec

TWO = (gpu(0), gpu(1))
NAMES = ("nvidia.com/gpu=GPU-0", "nvidia.com/gpu=GPU-1")


def docker(
    *devices: str, api: str = "1.47", runtimes: tuple[str, ...] = ("runc", "nvidia")
) -> DockerInfo:
    return DockerInfo(
        version="x", api_version=api, via="socket", runtimes=runtimes, cdi_devices=devices
    )


def test_cdi_where_all_devices_are_listed() -> None:
    assert gpu_access(docker(*NAMES, "nvidia.com/gpu=all"), TWO) == ("cdi", NAMES)
    by_index = ("nvidia.com/gpu=0", "nvidia.com/gpu=1")
    assert gpu_access(docker(*by_index), TWO) == ("cdi", by_index)
    assert gpu_access(docker(NAMES[0]), TWO) == ("gpus", ())


def test_without_devices_it_is_the_flag() -> None:
    assert gpu_access(docker(), TWO) == ("gpus", ())
    assert gpu_access(None, TWO) == ("gpus", ())


def test_before_the_flag_there_was_the_runtime() -> None:
    assert gpu_access(docker(api="1.39"), TWO) == ("runtime", ())
    assert gpu_access(docker(api="1.39", runtimes=("runc",)), TWO) == ("gpus", ())


def test_a_wish_is_followed_where_it_can_be() -> None:
    assert gpu_access(docker(*NAMES), TWO, "gpus") == ("gpus", ())
    assert gpu_access(docker(), TWO, "runtime") == ("runtime", ())
    with pytest.raises(UsageError, match="no CDI device"):
        gpu_access(docker(), TWO, "cdi")


def podman(version: str, *devices: str) -> DockerInfo:
    return DockerInfo(
        version=version, api_version="1.41", via="socket", podman=True, cdi_devices=devices
    )


def test_podman_takes_cdi_alone() -> None:
    assert gpu_access(podman("5.6.0"), TWO) == ("cdi", NAMES)
    by_index = ("nvidia.com/gpu=0", "nvidia.com/gpu=1")
    assert gpu_access(podman("5.6.0", *by_index), TWO) == ("cdi", by_index)
    with pytest.raises(UsageError, match="CDI alone"):
        gpu_access(podman("5.6.0"), TWO, "gpus")


@pytest.mark.parametrize("version", ["4.3.1", "4.9.3", "5.0.0", "5.3.2", "1.6"])
def test_an_old_podman_would_start_without_gpus_and_is_refused(version: str) -> None:
    with pytest.raises(UsageError, match="no GPUs") as refusal:
        gpu_access(podman(version), TWO)
    assert "5.4" in refusal.value.next_step


@pytest.mark.parametrize("version", ["5.4.0", "5.4.2-rc1", "5.10.0", "6.0.0", "dev"])
def test_a_newer_podman_takes_devices(version: str) -> None:
    assert gpu_access(podman(version), TWO) == ("cdi", NAMES)


def test_a_snap_gives_them_by_its_own_runtime_and_by_index() -> None:
    snap = msgspec.structs.replace(docker(*NAMES), snap=True)
    by_index = ("nvidia.com/gpu=0", "nvidia.com/gpu=1")
    assert gpu_access(snap, TWO) == ("runtime", by_index)
    assert gpu_access(snap, TWO, "gpus") == ("gpus", ())
    made = spec(gpu_access="runtime", cdi_devices=by_index, gpu_ids=("GPU-0", "GPU-1"))
    assert (
        "NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0,nvidia.com/gpu=1" in engine_api_body(made)["Env"]
    )


def test_the_renderings_of_cdi() -> None:
    made = spec(gpu_access="cdi", cdi_devices=NAMES, gpu_ids=("GPU-0", "GPU-1"))
    host = engine_api_body(made)["HostConfig"]
    assert host["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": list(NAMES)}]
    words = docker_run(made)
    assert [words[at + 1] for at, word in enumerate(words) if word == "--device"] == list(NAMES)
    assert "--gpus" not in words


def test_the_renderings_of_the_runtime() -> None:
    made = spec(gpu_access="runtime", gpu_ids=("GPU-0", "GPU-1"))
    body, words = engine_api_body(made), docker_run(made)
    assert body["HostConfig"]["Runtime"] == words[words.index("--runtime") + 1] == "nvidia"
    assert "DeviceRequests" not in body["HostConfig"]
    assert "NVIDIA_VISIBLE_DEVICES=GPU-0,GPU-1" in body["Env"]
    assert set(body["Env"]) == {words[at + 1] for at, word in enumerate(words) if word == "-e"}
