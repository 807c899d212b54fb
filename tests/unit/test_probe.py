"""What the probe script printed, as a report."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.gpu import MIB
from gptoss_tui.domain.host import Disk
from gptoss_tui.domain.parse.probe import Probe, Server, parse_probe

FIELDS = ("index", "uuid", "memory.total", "memory.used", "compute_cap", "power.limit",
          "mig.mode.current", "name")  # fmt: skip
WHOLE = """
@@system
time=1767225600
hostname=gpu-1
user=ann
uid=1000
home=/home/ann
kernel=6.8.0-45-generic
system=Linux
architecture=x86_64
cpus=32
memory_kib=263000000
hf_home=
tools=curl python3 setsid timeout tar sudo docker

@@os
NAME="Ubuntu"
PRETTY_NAME="Ubuntu 24.04.1 LTS"

@@container

@@gpus
0, GPU-a, 81559, 4, 9.0, 700.00, Disabled, NVIDIA H100 80GB HBM3
1, GPU-b, 81559, 61234, 9.0, 700.00, Disabled, NVIDIA H100 80GB HBM3

@@gpus_status
0

@@apps
GPU-b, 4711, /usr/bin/python3, 61000

@@banner
| NVIDIA-SMI 590.48.01   Driver Version: 590.48.01   CUDA Version: 13.1  |

@@docker
socket=/var/run/docker.sock
socket=/run/user/1000/docker.sock
cli=yes
sudo=yes
nvidia_ctk=yes

@@disks
docker 1000 200 /var/lib/docker
weights 1000 300 /home/ann/with a blank

@@shm
67108864

@@ports
127.0.0.1:22
*:8000
[::]:8000
hex:0100007F:1F90

@@servers
99 bob python3 -m vllm.entrypoints.openai.api_server --port 9000
odd

@@end
"""


def _probe(text: str) -> Probe:
    return parse_probe(text, FIELDS)


def test_a_whole_look() -> None:
    probe = _probe(WHOLE)
    box = probe.report
    assert (box.hostname, box.user, box.os) == ("gpu-1", "ann", "Ubuntu 24.04.1 LTS")
    assert (box.kernel, box.architecture, box.cpus) == ("6.8.0-45-generic", "x86_64", 32)
    assert box.memory_total_bytes == 263_000_000 * 1024
    assert (box.driver_version, box.cuda_version) == ("590.48.01", "13.1")
    assert (box.home, box.cache_dir) == ("/home/ann", "/home/ann/.cache/huggingface/hub")
    assert box.listening_ports == (22, 8000, 8080)
    assert box.disks == (
        Disk(role="docker", path="/var/lib/docker", total_bytes=1000 * 1024, free_bytes=200 * 1024),
        Disk(role="weights", path="/home/ann/with a blank", total_bytes=1024000, free_bytes=307200),
    )
    assert not box.is_container
    assert probe.complete
    assert probe.box_time == datetime(2026, 1, 1, tzinfo=UTC)
    assert (probe.uid, probe.shm_bytes) == (1000, 64 * 1024**3)
    assert "setsid" in probe.tools


def test_processes_stand_on_their_gpu() -> None:
    first, second = _probe(WHOLE).report.gpus
    assert first.processes == ()
    assert [(p.pid, p.memory_bytes) for p in second.processes] == [(4711, 61000 * MIB)]


def test_docker_and_servers() -> None:
    probe = _probe(WHOLE)
    assert probe.socket == "/var/run/docker.sock"
    assert (probe.denied, probe.docker_cli, probe.sudo, probe.podman) == (None, True, True, False)
    assert probe.nvidia_runtime
    assert probe.servers == (
        Server(
            pid=99,
            user="bob",
            command=("python3", "-m", "vllm.entrypoints.openai.api_server", "--port", "9000"),
        ),
    )


def test_hf_home_moves_the_cache() -> None:
    text = WHOLE.replace("hf_home=", "hf_home=/data/hf")
    assert _probe(text).report.cache_dir == "/data/hf/hub"


@pytest.mark.parametrize("sign", ["dockerenv", "kubernetes", "container=lxc"])
def test_a_container_is_named(sign: str) -> None:
    probe = _probe(WHOLE.replace("@@container\n", f"@@container\n{sign}\n"))
    assert probe.report.is_container
    assert probe.container_signs == (sign,)


def test_a_failing_driver_is_explained() -> None:
    start, end = WHOLE.index("0, GPU-a"), WHOLE.index("@@gpus_status")
    text = (
        WHOLE[:start] + "Failed to initialize NVML: Driver/library version mismatch\n" + WHOLE[end:]
    )
    probe = _probe(text)
    assert probe.report.gpus == ()
    assert probe.gpu_problem is not None
    assert "Reboot" in probe.gpu_problem[1]


def test_a_warning_among_gpus_is_no_problem() -> None:
    text = WHOLE.replace("@@gpus\n", "@@gpus\nUnable to determine the device handle for GPU2\n")
    assert len(_probe(text).report.gpus) == 2
    assert _probe(text).gpu_problem is None


def test_a_field_that_the_driver_does_not_know() -> None:
    text = '@@gpus\nField "compute_cap" is not a valid field to query.\n@@end\n'
    assert _probe(text).bad_gpu_field == "compute_cap"


def test_nothing_is_unknown_and_not_zero() -> None:
    probe = _probe("")
    box = probe.report
    assert (box.cpus, box.memory_total_bytes, box.driver_version, box.home) == (None,) * 4
    assert (box.gpus, box.disks, box.listening_ports, box.os) == ((), (), (), None)
    assert (probe.box_time, probe.uid, probe.socket, probe.shm_bytes) == (None,) * 4
    assert not probe.complete


@given(st.integers(0, len(WHOLE)))
def test_a_look_that_breaks_off_never_raises(cut: int) -> None:
    probe = _probe(WHOLE[:cut])
    assert probe.complete is (cut >= WHOLE.index("@@end") + 5)


@given(st.lists(st.sampled_from(["@@", *WHOLE.splitlines()]) | st.text(max_size=30), max_size=20))
def test_odd_text_never_raises(lines: list[str]) -> None:
    _probe("\n".join([*lines, "@@system", "time=9999999999999999", "cpus=\u00b2"]))
