"""Broken boxes as they print themselves: the one cause, at the first look.

Each begins as a sound box and has the sections of the probe that differ. What nvidia-smi, curl and
the kernel say is in their own words.
"""

from __future__ import annotations

import msgspec
import pytest

from gptoss_tui.domain.host import DockerInfo, Finding
from gptoss_tui.domain.parse.nvidia_smi import GPU_FIELDS
from gptoss_tui.domain.parse.probe import parse_probe
from gptoss_tui.domain.preflight import findings, image_finding

FIELDS = ",".join(GPU_FIELDS)
H100 = "0, GPU-a, 81559, 4, 474, 9.0, 700.00, Disabled, NVIDIA H100 80GB HBM3"
HEALTH = (
    "@fields index,driver_version,persistence_mode,compute_mode,temperature.gpu,ecc.mode.current,"
    "ecc.errors.uncorrected.volatile.total,clocks_event_reasons.active\n"
)
SOUND = {
    "system": "time=1767225600\nhostname=box\nuser=ann\nuid=1000\nhome=/home/ann\n"
    "kernel=6.8.0-51-generic\nsystem=Linux\narchitecture=x86_64\ncpus=26\nmemory_kib=230000000\n"
    "uptime=10000.0\nhub=/home/ann/.cache/huggingface/hub\n"
    "tools=curl python3 setsid timeout tar sudo docker apt-get",
    "os": 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu',
    "container": "",
    "shm": "115000000",
    "hardware": "pci=yes\ncard=0000:01:00.0 nvidia\nmodule=nvidia \n"
    "kernel_module=NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23 2025",
    "kernel_log": "@first [    0.000000] Linux version 6.8.0-51-generic",
    "gpus": f"@fields {FIELDS}\n{H100}\n@status 0",
    "health": f"{HEALTH}0, 580.95.05, Enabled, Default, 41, Enabled, 0, 0x0000000000000000\n@status 0",
    "apps": "",
    "banner": "| NVIDIA-SMI 580.95.05   Driver Version: 580.95.05   CUDA Version: 13.0  |",
    "docker": "socket=/var/run/docker.sock\ncli=yes\ndaemon=yes\nservice=active\nsudo=yes",
    "runtime": "nvidia-ctk=yes\nnvidia-container-runtime=yes\nconfigured=yes",
    "disks": "docker 900000000 800000000 /var/lib/docker\n"
    "weights 900000000 800000000 /home/ann/.cache/huggingface/hub",
    "ports": "0.0.0.0:22 ",
    "reach_registry": "date: Thu, 01 Jan 2026 00:00:01 GMT\n@http 401 0.21\n@status 0",
    "reach_hub": "date: Thu, 01 Jan 2026 00:00:01 GMT\n@http 200 0.30\n@status 0",
    "servers": "",
    "end": "",
}
DOCKER = DockerInfo(version="28.1.0", api_version="1.49", via="socket", runtimes=("nvidia", "runc"))
NO_RUNTIME = msgspec.structs.replace(DOCKER, runtimes=("runc", "io.containerd.runc.v2"))
MISMATCH = (
    "Failed to initialize NVML: Driver/library version mismatch\n"
    "NVML library version: 580.173\n@status 18"
)
FAILED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n@status 9"
)
DNS = "curl: (6) Could not resolve host: {}\n@http 000 0.003\n@status 6"
LATE = "curl: (28) Connection timed out after 4001 milliseconds\n@http 000 4.0\n@status 28"
TLS = "curl: (60) SSL certificate problem: certificate is not yet valid\n@http 000 0.1\n@status 60"
UNLOADED = "pci=yes\ncard=0000:01:00.0"


def looked_at(
    engine: DockerInfo | None = DOCKER, skew_s: float = 0.0, /, **sections: str | None
) -> dict[str, Finding]:
    """What is found of a sound box with some sections changed, or (None) missing."""
    there = {name: text for name, text in (SOUND | sections).items() if text is not None}
    probe = parse_probe("".join(f"\n@@{name}\n{text}\n" for name, text in there.items()))
    report = msgspec.structs.replace(probe.report, clock_skew_s=skew_s)
    found = findings(msgspec.structs.replace(probe, report=report), engine, None)
    return {finding.code: finding for finding in found}


def test_a_sound_box_has_good_news_of_each_kind() -> None:
    found = looked_at()
    assert {finding.level for finding in found.values()} == {"ok"}
    assert {finding.topic for finding in found.values()} == {
        "system", "GPUs", "GPU health", "driver", "Docker", "GPU runtime", "disks", "ports",
        "network", "clock",
    }  # fmt: skip


BROKEN: dict[str, tuple[str, str, str, dict[str, str | None]]] = {
    "no driver at all": (
        "no_driver", "blocker", "no NVIDIA driver",
        {"hardware": UNLOADED, "gpus": None, "health": None, "banner": None, "apps": None},
    ),
    "nouveau": (
        "nouveau", "blocker", "nouveau",
        {"hardware": f"{UNLOADED} nouveau\nmodule=nouveau ", "gpus": None, "health": None},
    ),
    "secure boot": (
        "secure_boot", "blocker", "not signed",
        {"hardware": f"{UNLOADED}\nmodule_file=/lib/modules/6.8/nvidia.ko\nsecure_boot=1",
         "kernel_log": "@first [ 0.0] x\n[ 9.1] Loading of module with unavailable key is rejected",
         "gpus": FAILED, "health": FAILED},
    ),
    "kernel updated, module not built": (
        "driver_unloaded", "blocker", "no module for the running kernel (6.8.0-51-generic)",
        {"hardware": UNLOADED, "gpus": FAILED, "health": FAILED},
    ),
    "given to a virtual machine": (
        "gpu_passed_on", "blocker", "virtual machine",
        {"hardware": f"{UNLOADED} vfio-pci", "gpus": FAILED, "health": FAILED},
    ),
    "driver and library differ": (
        "driver_mismatch", "blocker", "old kernel module (580.159.03) is still loaded",
        {"hardware": SOUND["hardware"].replace("580.95.05", "580.159.03"), "gpus": MISMATCH,
         "health": MISMATCH},
    ),
    "nvidia-smi hangs": (
        "gpu_hung", "blocker", "did not answer in time",
        {"gpus": f"@fields {FIELDS}\n", "health": "", "banner": ""},
    ),
    "fell off the bus": (
        "gpu_lost", "blocker", "fell off the bus",
        {"gpus": "Unable to determine the device handle for GPU 0000:05:00.0: GPU is lost.  Reboot "
         "the system to recover this GPU\n@status 15", "health": ""},
    ),
    "one card of two is gone": (
        "gpu_missing", "warning", "has 2 NVIDIA cards, and the driver tells of 1",
        {"hardware": SOUND["hardware"] + "\ncard=0000:02:00.0 nvidia"},
    ),
    "device nodes shut": (
        "gpu_denied", "blocker", "/dev/nvidiactl",
        {"hardware": SOUND["hardware"] + "\ndenied=/dev/nvidiactl",
         "gpus": "Failed to initialize NVML: Insufficient Permissions\n@status 4", "health": ""},
    ),
    "no card": (
        "no_gpu", "blocker", "no NVIDIA card",
        {"hardware": "pci=yes", "gpus": None, "health": None},
    ),
    "a T4": (
        "gpu_too_old", "blocker", "compute capability 7.5",
        {"gpus": f"@fields {FIELDS}\n0, GPU-a, 15360, 3, 450, 7.5, 70.00, [N/A], Tesla T4\n@status 0"},
    ),
    "MIG": (
        "gpu_mig", "blocker", "MIG mode",
        {"gpus": f"@fields {FIELDS}\n{H100.replace('Disabled', 'Enabled')}\n@status 0"},
    ),
    "somebody is on it": (
        "gpu_busy", "warning", "python3 (pid 4711) of bob, 70.3 GiB",
        {"gpus": f"@fields {FIELDS}\n{H100.replace(' 4,', ' 72010,')}\n@status 0",
         "apps": "GPU-a, 4711, python3, 72000", "owners": "4711 bob"},
    ),
    "memory errors": (
        "gpu_ecc", "warning", "2 memory errors",
        {"health": SOUND["health"].replace("Enabled, 0, 0x", "Enabled, 2, 0x")},
    ),
    "XID in the log": (
        "gpu_xid", "warning", "XID 48, a memory error that could not be corrected (0000:01:00, 15 min",
        {"kernel_log": "@first [ 0.0] x\n[ 9100.1] NVRM: Xid (PCI:0000:01:00): 48, pid=1, DBE"},
    ),
    "too hot": (
        "gpu_throttled", "warning", "at 93 °C",
        {"health": SOUND["health"].replace("41,", "93,").replace("0x0000000000000000", "0x44")},
    ),
    "driver of 2023": (
        "driver_old", "warning", "CUDA 13",
        {"health": SOUND["health"].replace("580.95.05", "535.161.08")},
    ),
    "driver of 2021": (
        "driver_too_old", "blocker", "too old for any image",
        {"health": SOUND["health"].replace("580.95.05", "470.256.02")},
    ),
    "no fabric manager": (
        "fabric_manager", "blocker", "nvidia-fabricmanager is inactive",
        {"hardware": SOUND["hardware"] + "\nfabric_manager=inactive"},
    ),
    "a Mac": (
        "not_linux", "blocker", "Darwin",
        {"system": SOUND["system"].replace("system=Linux", "system=Darwin")},
    ),
    "minimal system": (
        "tools", "blocker", "setsid, tar, curl (or python3)",
        {
            "system": SOUND["system"].replace(
                "curl python3 setsid timeout tar sudo docker apt-get", "docker"
            )
        },
    ),
    "64 MiB of /dev/shm": ("shm_small", "warning", "64 MiB", {"shm": "65536"}),
    "Docker's disk full on its own mount": (
        "disk_docker", "blocker", "/srv/docker",
        {"disks": "docker 20000000 1000 /srv/docker\nweights 900000000 800000000 /home/ann"},
    ),
    "cache full of broken downloads": (
        "disk_weights", "warning", "12 GiB of the cache are broken downloads",
        {"disks": "docker 900000000 800000000 /d\nweights 200000000 9000000 /home/ann/h",
         "cached": "incomplete 12582912"},
    ),
    "port taken": (
        "port_taken", "warning", "taken by jupyter-lab",
        {"ports": '0.0.0.0:22 \n127.0.0.1:8000 users:(("jupyter-lab",pid=2,fd=6))'},
    ),
    "no DNS": (
        "registry_unreachable", "warning", "its name is not found (DNS)",
        {"reach_registry": DNS.format("registry-1.docker.io"), "reach_hub": DNS.format("x")},
    ),
    "no route to the hub": (
        "hub_unreachable", "warning", "no answer in time", {"reach_hub": LATE},
    ),
    "hub by a proxy alone": (
        "hub_by_proxy", "warning", "proxy.lan:3128",
        {"reach_hub": LATE,
         "reach_hub_by_proxy": "proxy=proxy.lan:3128\n@http 200 0.4\n@status 0"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("box", BROKEN)
def test_the_cause_is_found(box: str) -> None:
    code, level, words, sections = BROKEN[box]
    found = looked_at(**sections)
    assert code in found
    assert found[code].level == level
    assert words in found[code].what
    assert found[code].do.endswith(".")
    others = {finding.code for finding in found.values() if finding.level == "blocker"} - {code}
    assert not others, "one cause, not its consequences"


DOCKERS: dict[str, tuple[str, str | None, DockerInfo | None, dict[str, str | None]]] = {
    "no toolkit": ("no_gpu_runtime", "toolkit", NO_RUNTIME, {"runtime": ""}),
    "toolkit not configured": (
        "gpu_runtime_unconfigured", "runtime", NO_RUNTIME,
        {"runtime": "nvidia-ctk=yes\nnvidia-container-runtime=yes"},
    ),
    "no permission": (
        "docker_permission", "docker-group", None,
        {"docker": "denied=/var/run/docker.sock\ncli=yes\ndaemon=yes\nsudo=password"},
    ),
    "in the group since this login": (
        "docker_permission", None, None,
        {"docker": "denied=/var/run/docker.sock\ncli=yes\nin_group=yes\nsudo=password"},
    ),
    "not running": (
        "docker_down", "docker-start", None,
        {"docker": "cli=yes\ndaemon=yes\nservice=inactive\nsudo=yes"},
    ),
    "podman only": (
        "podman_only", None, None, {"docker": "cli=yes\ncli_is_podman=yes\npodman=podman version 5"},
    ),
    "no engine": ("no_docker", None, None, {"docker": "sudo=yes"}),
    "rootless": (
        "docker_rootless", None, msgspec.structs.replace(DOCKER, rootless=True), {},
    ),
    "stopped ones of ours": (
        "stale_containers", "stale-containers",
        msgspec.structs.replace(DOCKER, stale=("gpt-oss-20b",)), {},
    ),
    "a pod": (
        "is_container", None, None, {"container": "containerenv\nrunpod", "docker": "", "runtime": ""},
    ),
}  # fmt: skip


@pytest.mark.parametrize("box", DOCKERS)
def test_what_is_wrong_with_docker_and_what_mends_it(box: str) -> None:
    code, repair, docker, sections = DOCKERS[box]
    found = looked_at(docker, **sections)
    assert found[code].repair == repair
    assert found[code].level != "ok"
    blockers = {finding.code for finding in found.values() if finding.level == "blocker"}
    assert blockers <= {code}


def test_a_wrong_clock_is_the_cause_of_refused_certificates() -> None:
    found = looked_at(DOCKER, -86_400.0, reach_registry=TLS, reach_hub=TLS)
    assert found["clock_off"].level == "blocker"
    assert "1 day behind" in found["clock_off"].what
    assert "the box's clock is wrong" in found["registry_unreachable"].what
    alone = looked_at(DOCKER, 7200.0, reach_registry=None, reach_hub=None)
    assert alone["clock_off"].level == "warning"
    assert "2 hours ahead of" in alone["clock_off"].what


def test_where_servers_agree_with_the_box_our_own_clock_is_wrong() -> None:
    found = looked_at(DOCKER, 86_400.0)
    assert "clock_off" not in found
    assert "1 day behind the box's" in found["clock_here"].what


def test_a_mirror_stands_in_for_the_registry() -> None:
    docker = msgspec.structs.replace(DOCKER, mirrors=("mirror.lan:5000",))
    found = looked_at(docker, reach_registry=LATE)
    assert "registry_unreachable" not in found
    assert "mirror.lan:5000" in found["registry_mirror"].what


def test_a_port_of_a_container_is_no_trouble() -> None:
    docker = msgspec.structs.replace(DOCKER, published=(8000,))
    assert "port_taken" not in looked_at(docker, ports="0.0.0.0:8000 ")


def test_a_process_of_our_own_time_is_not_dated() -> None:
    """A log of an earlier start, whose stamps lie ahead of this one."""
    log = "@first [ 0.0] x\n[ 99999.0] NVRM: Xid (PCI:0000:01:00): 48, pid=1, DBE"
    assert "ago" not in looked_at(kernel_log=log)["gpu_xid"].what


@pytest.mark.parametrize(
    ("driver", "image", "fits"),
    [
        ("580.95.05", "vllm/vllm-openai:v0.32.0", True),
        ("535.161.08", "vllm/vllm-openai:v0.32.0", False),
        ("535.161.08", "vllm/vllm-openai:v0.32.0-cu129", True),
        ("535.161.08", "vllm/vllm-openai:v0.19.0", True),
        ("470.82.01", "vllm/vllm-openai:v0.19.0", False),
        ("575.57.08", "vllm/vllm-openai:latest", False),
        ("575.57.08", "vllm/vllm-openai:v0.19.0-cu130", False),
        ("570.86.10", "lmsysorg/sglang:v0.5.23", False),
        ("570.86.10", "lmsysorg/sglang:v0.5.19-cu129", True),
        ("535.161.08", "ollama/ollama:0.12.0", False),
        ("550.54.15", "ollama/ollama:0.12.0", True),
        ("470.82.01", "registry.lan:5000/own/thing:1", True),
        (None, "vllm/vllm-openai:v0.32.0", True),
        ("580.95.05", "mirror.lan:5000/vllm/vllm-openai@sha256:aa", True),
    ],
)
def test_a_driver_against_an_image(driver: str | None, image: str, fits: bool) -> None:
    found = image_finding(driver, image)
    assert (found is None) is fits
    if found is not None:
        assert found.level == "blocker"
        assert image in found.what


def test_the_date_of_a_server_may_be_odd() -> None:
    found = looked_at(reach_registry="date: soon\n@http 401 0.2\n@status 0")
    assert found["network"].level == "ok"


# --- podman -------------------------------------------------------------------------------------

PODMAN = DockerInfo(
    version="5.4.2", api_version="1.41", via="socket", podman=True, rootless=True,
    runtimes=("crun", "runc"),
)  # fmt: skip
CDI = "nvidia-ctk=yes\ncdi=/etc/cdi/nvidia.yaml"
AT_PODMAN = "podman_socket=/run/user/1000/podman/podman.sock\npodman=podman version 5.4.2"


def test_podman_with_cdi_can_launch() -> None:
    found = looked_at(PODMAN, docker=AT_PODMAN, runtime=CDI)
    assert not [one for one in found.values() if one.level == "blocker"]
    assert found["docker"].what.startswith("Podman 5.4.2 (API 1.41)")
    assert "by CDI" in found["gpu_runtime"].what
    assert "enable-linger ann" in found["podman_socket"].do
    assert "docker_rootless" not in found


def test_podman_without_a_list_of_devices_cannot() -> None:
    found = looked_at(PODMAN, docker=AT_PODMAN, runtime="nvidia-ctk=yes")
    assert found["gpu_runtime_unconfigured"].level == "blocker"
    assert found["gpu_runtime_unconfigured"].repair == "runtime"
    assert looked_at(PODMAN, docker=AT_PODMAN, runtime="")["no_gpu_runtime"].level == "blocker"


def test_an_older_podman_gives_no_gpus() -> None:
    old = msgspec.structs.replace(PODMAN, version="5.3.1")
    found = looked_at(old, docker=AT_PODMAN, runtime=CDI)
    assert found["podman_old"].level == "blocker"
    assert "Podman 5.3.1" in found["podman_old"].what


def test_podman_is_taken_where_no_docker_is_kept_from_the_user() -> None:
    at = "@@docker\n{}\n@@end\n"
    assert parse_probe(at.format(AT_PODMAN)).socket == "/run/user/1000/podman/podman.sock"
    both = f"socket=/var/run/docker.sock\n{AT_PODMAN}"
    assert parse_probe(at.format(both)).socket == "/var/run/docker.sock"
    denied = f"denied=/var/run/docker.sock\n{AT_PODMAN}"
    assert parse_probe(at.format(denied)).socket is None
