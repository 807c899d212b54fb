"""What the probe script printed, as a report."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.gpu import MIB
from gptoss_tui.domain.host import Disk
from gptoss_tui.domain.parse.probe import Owner, Probe, Server, parse_probe

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

@@runtime
nvidia-ctk=yes
version=NVIDIA Container Toolkit CLI version 1.20.0
cdi=/etc/cdi/nvidia.yaml
cdi=/var/run/cdi/nvidia.yaml

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
    assert (probe.uid, box.shm_bytes) == (1000, 64 * 1024**3)
    assert "setsid" in probe.tools


def test_processes_stand_on_their_gpu() -> None:
    first, second = _probe(WHOLE).report.gpus
    assert first.processes == ()
    assert [(p.pid, p.memory_bytes) for p in second.processes] == [(4711, 61000 * MIB)]


def test_docker_and_servers() -> None:
    probe = _probe(WHOLE)
    assert probe.socket == "/var/run/docker.sock"
    assert (probe.denied, probe.docker.cli, probe.sudo) == (None, True, "yes")
    assert probe.toolkit.ctk
    assert probe.toolkit.version == "NVIDIA Container Toolkit CLI version 1.20.0"
    assert probe.toolkit.cdi_files == ("/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml")
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


def test_the_script_says_which_fields_the_driver_knew() -> None:
    text = "@@gpus\n@fields index,uuid,name\n0, GPU-a, Tesla K80\n@status 0\n@@end\n"
    (gpu,) = _probe(text).report.gpus
    assert (gpu.name, gpu.compute_capability) == ("Tesla K80", None)


@pytest.mark.parametrize(
    "said",
    ["@fields index,name", "@fields index,name\n@status 137", ""],
)
def test_a_driver_that_hangs(said: str) -> None:
    probe = _probe(f"@@gpus\n{said}\n@@end\n")
    assert probe.gpus_hung
    assert not _probe(WHOLE).gpus_hung


def test_health_and_the_driver() -> None:
    text = (
        "@@health\n@fields index,driver_version,persistence_mode,clocks_throttle_reasons.active,"
        "remapped_rows.pending,ecc.errors.uncorrected.volatile.total\n"
        "0, 535.161.08, Disabled, 0x0000000000000048, Yes, 3\n"
        "1, 535.161.08, Enabled, 0x0000000000000004, [N/A], [N/A]\n@status 0\n"
    )
    report = _probe(text).report
    hot, fine = report.health
    assert report.driver_version == "535.161.08"
    assert (hot.persistence, hot.ecc, hot.ecc_errors, hot.repair_pending) == (False, None, 3, True)
    assert hot.throttled == ("it is too hot (hardware thermal slowdown)",)
    assert (fine.persistence, fine.ecc_errors, fine.throttled) == (True, None, ())


def test_cards_and_kernel() -> None:
    probe = _probe(
        "@@hardware\ncard=0000:01:00.0 nouveau\ncard=0000:02:00.0\nmodule=nouveau \n"
        "secure_boot=1\nmodule_file=/lib/modules/x/nvidia.ko\n"
        "@@kernel_log\n@first [    0.0] Linux\n"
        "[  100.5] NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.\n"
        "[  101.5] NVRM: Xid (0000:02:00): 13, Graphics Exception\n@@end\n"
    )
    assert [card.driver for card in probe.hardware.cards] == ["nouveau", None]
    assert probe.hardware.modules == {"nouveau"}
    assert (probe.hardware.secure_boot, probe.hardware.module_file) == (True, True)
    assert [(xid.code, xid.address, xid.uptime_s) for xid in probe.kernel_log.xids] == [
        (79, "PCI:0000:01:00".removeprefix("PCI:"), 100.5), (13, "0000:02:00", 101.5),
    ]  # fmt: skip
    assert not _probe("@@end").kernel_log.readable


def test_what_was_reached() -> None:
    probe = _probe(
        "@@reach_registry\nproxy=proxy.lan:3128\nDate: Thu, 01 Jan 2026 00:00:05 GMT\n"
        "@http 401 0.25\n@status 0\n"
        "@@reach_hub\ncurl: (6) Could not resolve host: x\n@http 000 0.0\n@status 6\n@@end\n"
    )
    registry, hub = probe.reached
    assert (registry.proxy, registry.http, registry.seconds) == ("proxy.lan:3128", 401, 0.25)
    assert registry.date == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert registry.answered
    assert (hub.status, hub.answered) == (6, False)
    assert "resolve" in hub.said


def test_owners_caches_and_ports() -> None:
    probe = _probe(
        f"@@owners\n4711 ann \n4712 root {'ab' * 32}\nodd\n@@cached\nmodels--openai--gpt-oss-20b 10\n"
        "models--meta--llama 20\nincomplete 5\n"
        '@@ports\n0.0.0.0:8000 users:(("jupyter-lab",pid=2210,fd=6))\n[::]:22 \n@@end\n'
    )
    assert probe.owners == (
        Owner(pid=4711, user="ann"), Owner(pid=4712, user="root", container_id="ab" * 32)
    )  # fmt: skip
    assert [cached.model for cached in probe.report.cached] == ["openai/gpt-oss-20b"]
    assert (probe.others_bytes, probe.incomplete_bytes) == (20 * 1024, 5 * 1024)
    assert probe.report.listening_ports == (22, 8000)
    assert probe.ports.owners == ((8000, "jupyter-lab"),)


def test_nothing_is_unknown_and_not_zero() -> None:
    probe = _probe("")
    box = probe.report
    assert (box.cpus, box.memory_total_bytes, box.driver_version, box.home) == (None,) * 4
    assert (box.gpus, box.disks, box.listening_ports, box.os) == ((), (), (), None)
    assert (probe.box_time, probe.uid, probe.socket, box.shm_bytes) == (None,) * 4
    assert not probe.complete


@given(st.integers(0, len(WHOLE)))
def test_a_look_that_breaks_off_never_raises(cut: int) -> None:
    probe = _probe(WHOLE[:cut])
    assert probe.complete is (cut >= WHOLE.index("@@end") + 5)


@given(st.lists(st.sampled_from(["@@", *WHOLE.splitlines()]) | st.text(max_size=30), max_size=20))
def test_odd_text_never_raises(lines: list[str]) -> None:
    _probe("\n".join([*lines, "@@system", "time=9999999999999999", "cpus=\u00b2"]))
