"""Broken boxes whose cause lies with the container engine, with its toolkit or with the system."""

from __future__ import annotations

import msgspec
import pytest

from gptoss_tui.domain.host import DockerInfo, Finding
from gptoss_tui.domain.parse.probe import parse_probe
from gptoss_tui.domain.preflight import findings
from gptoss_tui.domain.repair.build import make
from gptoss_tui.domain.repair.types import Survey
from gptoss_tui.errors import UsageError
from tests.app.make import report
from tests.unit.test_preflight_boxes import DNS, DOCKER, FIELDS, NO_RUNTIME, SOUND, looked_at

Sections = dict[str, str | None]


def docker(**changes: object) -> DockerInfo:
    return msgspec.structs.replace(DOCKER, **changes)


SNAP = docker(snap=True, root_dir="/var/snap/docker/common/var-lib-docker")
BARE_SNAP = msgspec.structs.replace(SNAP, runtimes=("runc",))
ROOTLESS = docker(rootless=True)
DOWN = "cli=yes\ndaemon=yes\nsudo=yes\n"
NO_CARD: Sections = {"gpus": None, "health": None, "banner": None, "apps": None}
NONE_FOUND: Sections = {"gpus": "No devices were found\n@status 6", "health": ""}
CDI = ("nvidia.com/gpu=GPU-a", "nvidia.com/gpu=all")
LIST = "nvidia-ctk=yes\nnvidia-container-runtime=yes\ncdi=/etc/cdi/nvidia.yaml\n"


def system(**changes: str) -> str:
    """The section of a sound box, with lines changed or more."""
    kept = [
        line for line in (SOUND["system"] or "").split("\n") if line.split("=")[0] not in changes
    ]
    return "\n".join([*kept, *(f"{key}={value}" for key, value in changes.items())])


# code, level, repair, what stands in the sentence, the Engine, the sections that differ
BROKEN: dict[str, tuple[str, str, str | None, str, DockerInfo | None, Sections]] = {
    "a snap without GPUs": (
        "docker_snap", "blocker", None, "has not set up the GPUs", BARE_SNAP, {"runtime": ""},
    ),
    "a snap, and the toolkit of apt": (
        "docker_snap", "blocker", None, "none that is installed on the box", BARE_SNAP,
        {"runtime": "nvidia-ctk=yes\nnvidia-container-runtime=yes\nconfigured=yes"},
    ),
    "a snap, and a cache on a disk of its own": (
        "docker_snap", "warning", None, "It does not see the model cache (/data/hub)", SNAP,
        {"system": system(hub="/data/hub")},
    ),
    "a snap that is stopped": (
        "docker_down", "blocker", "docker-start", "service is inactive", None,
        {"docker": f"snap=yes\n{DOWN}service=inactive"},
    ),
    "settings of Docker that cannot be read": (
        "docker_down", "blocker", "docker-start", "daemon.json: invalid character '}'", None,
        {"docker": f"{DOWN}service=failed\nwhy=unable to configure the Docker daemon with file "
         "/etc/docker/daemon.json: invalid character '}' looking for beginning of object key"},
    ),
    "masked": (
        "docker_down", "blocker", "docker-start", "service is masked", None,
        {"docker": f"{DOWN}service=inactive\nmasked=yes"},
    ),
    "settings that Docker has not read yet": (
        "gpu_runtime_unconfigured", "warning", "runtime", "not restarted since", NO_RUNTIME, {},
    ),
    "a runtime that lies elsewhere": (
        "gpu_runtime_unconfigured", "blocker", "runtime",
        "as /usr/local/nvidia/toolkit/nvidia-container-runtime, which is not there", DOCKER,
        {"runtime": f"{SOUND['runtime']}\ngone=/usr/local/nvidia/toolkit/nvidia-container-runtime"},
    ),
    "the toolkit removed from a container with a Docker of its own": (
        "no_gpu_runtime", "blocker", "toolkit", "not on this box any more", DOCKER,
        {"runtime": "configured=yes", "container": "container=lxc",
         "docker": f"{SOUND['docker']}\nruns_here=yes"},
    ),
    "a pod with Docker installed in it": (
        "is_container", "blocker", None, "may not run (it has no privileges)", None,
        {"container": "runpod", "docker": "cli=yes\ndaemon=yes",
         "system": f"{SOUND['system']}\ncapabilities=00000000a80425fb"},
    ),
    "a disk that the kernel shut": (
        "disk_read_only", "blocker", None, "to /, where images and model weights belong", DOCKER,
        {"read_only": "docker=/\nweights=/"},
    ),
    "models on a disk that is mounted to be read": (
        "cache_read_only", "warning", None, "lies on /data, which is mounted read-only", DOCKER,
        {"read_only": "weights=/data", "cached": "models--openai--gpt-oss-20b 12"},
    ),
    "a full disk beside an empty one": (
        "disk_docker", "warning", None, "Only 7.6 GiB", DOCKER,
        {"disks": "docker 40000000 8000000 /var/lib/docker\nweights 900000000 800000000 /data/h",
         "largest_free": "810000000 /opt/dlami/nvme"},
    ),
    "memory that others have": (
        "little_memory", "warning", None, "Only 2.9 GiB", DOCKER,
        {"system": system(memory_available_kib="3000000")},
    ),
    "a home that the kernel shut": (
        "disk_read_only", "blocker", None, "the logs of launches", DOCKER,
        {"system": system(state_denied="/home/ann/.local/state", read_only_state="/home")},
    ),
    "Docker Desktop, and nothing else": (
        "docker_desktop", "blocker", None, "virtual machine without GPUs", None,
        {"docker": "cli=yes\ndesktop=yes\nservice=inactive"},
    ),
    "Docker Desktop at Docker's socket": (
        "docker_desktop", "blocker", None, "virtual machine without GPUs",
        docker(desktop=True), {"runtime": ""},
    ),
    "a plugin that decides": (
        "docker_authorization", "warning", None, "opa-docker-authz",
        docker(authorization=("opa-docker-authz",)), {},
    ),
    "the toolkit removed, its runtime still named": (
        "no_gpu_runtime", "blocker", "toolkit", "not on this box any more", DOCKER,
        {"runtime": "configured=yes"},
    ),
    "no toolkit, and no package manager for it": (
        "no_gpu_runtime", "blocker", None, "was not found", NO_RUNTIME,
        {"runtime": "", "system": system(tools="curl python3 setsid timeout tar sudo docker")},
    ),
    "CDI of the driver before": (
        "cdi_stale", "blocker", "runtime", "made for the driver 550.54.15; it is 580.95.05",
        docker(cdi_devices=CDI), {"runtime": f"{LIST}cdi_driver=550.54.15"},
    ),
    "CDI before the first use of CUDA": (
        "cdi_incomplete", "warning", "runtime", "/dev/nvidia-uvm", docker(cdi_devices=CDI),
        {"runtime": f"{LIST}cdi_driver=580.95.05\ncdi_without_uvm=/etc/cdi/nvidia.yaml"},
    ),
    "CDI, and the module of CUDA not loaded": (
        "gpu_no_uvm", "blocker", "runtime", "is not there", docker(cdi_devices=CDI),
        {"runtime": f"{LIST}cdi_driver=580.95.05", "hardware": f"{SOUND['hardware']}\nuvm=no"},
    ),
    "LXC without the device of CUDA": (
        "gpu_no_uvm", "blocker", None, "may not open /dev/nvidia-uvm", DOCKER,
        {"container": "container=lxc", "hardware": f"{SOUND['hardware']}\nuvm=no",
         "docker": f"{SOUND['docker']}\nruns_here=yes"},
    ),
    "the toolkit set for a rootless Docker": (
        "gpu_no_cgroups", "warning", "runtime", "no-cgroups", DOCKER,
        {"runtime": f"{SOUND['runtime']}\nno_cgroups=yes"},
    ),
    "nothing is passed on for containers": (
        "container_network", "warning", None, "ip_forward", docker(forwards=False), {},
    ),
    "a resolver on the box itself": (
        "container_dns", "warning", None, "(127.0.0.1)", DOCKER,
        {"resolvers": "nameserver=127.0.0.1\nresolved=yes"},
    ),
    "no inodes left": (
        "disk_inodes", "blocker", None, "12 more files", DOCKER,
        {"inodes": "docker 6553600 12\nweights 6553600 6000000"},
    ),
    "few inodes": (
        "disk_inodes", "warning", None, "50,000 more files", DOCKER, {"inodes": "docker 900000 50000"},
    ),
    "a cache of root's, and a Docker of the user's": (
        "cache_denied", "blocker", None, "is not this user's", ROOTLESS,
        {"system": system(hub_denied="/home/ann/.cache/huggingface/hub")},
    ),
    "a cache on a disk that is not mounted": (
        "cache_gone", "blocker", None, "to /data/hf, which is not there", DOCKER,
        {"system": system(hub_dangling="/home/ann/.cache/huggingface -> /data/hf")},
    ),
    "a home that is not there": (
        "state_denied", "blocker", None, "/home/ann/.local/state", DOCKER,
        {"system": system(state_denied="/home/ann/.local/state")},
    ),
    "kvm64": (
        "cpu_old", "warning", None, "no AVX2", DOCKER, {"system": system(avx2="no")},
    ),
    "Blackwell, and the closed module": (
        "open_module", "blocker", None, "open kernel module", DOCKER,
        NONE_FOUND | {"kernel_log": "@first [ 0.0] x\n[ 9.1] NVRM: The NVIDIA GPU 0000:01:00.0 (PCI "
                      "ID: 10de:2bb1)\n[ 9.1] NVRM: installed in this system requires use of the\n"
                      "[ 9.1] NVRM: NVIDIA open kernel modules."},
    ),
    "Volta, and the open module": (
        "driver_unsupported", "blocker", None, "does not support this card", DOCKER,
        NONE_FOUND | {"kernel_log": "@first [ 0.0] x\n[ 9.1] NVRM: The NVIDIA GPU 0000:01:00.0 (PCI "
                      "ID: 10de:1db5)\n               NVRM: installed in this system is not supported "
                      "by open\n               NVRM: nvidia.ko because it does not include the"},
    ),
    "a card that does not start": (
        "gpu_failed", "blocker", None, "RmInitAdapter", DOCKER,
        NONE_FOUND | {"kernel_log": "@first [ 0.0] x\n[ 9.6] NVRM: GPU 0000:01:00.0: RmInitAdapter "
                      "failed! (0x62:0x65:1792)"},
    ),
    "the driver's library removed": (
        "driver_incomplete", "blocker", None, "libnvidia-ml.so is not on this box", DOCKER,
        {"gpus": "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure "
         "that the NVIDIA Display Driver is properly installed and present in your system.\n"
         "@status 12", "health": ""},
    ),
    "a module, and no nvidia-smi": (
        "driver_incomplete", "blocker", None, "nvidia-smi is not on this box", DOCKER, NO_CARD,
    ),
    "GB10, whose memory is the machine's": (
        "gpu_memory_unknown", "blocker", None, "0 (NVIDIA GB10)", DOCKER,
        {"gpus": f"@fields {FIELDS}\n0, GPU-a, [N/A], [N/A], [N/A], 12.1, [N/A], [N/A], NVIDIA GB10\n"
         "@status 0"},
    ),
    "images kept as copies": (
        "docker_vfs", "warning", None, "vfs", docker(storage_driver="vfs"), {},
    ),
    "WSL 2 without a GPU": (
        "wsl_no_gpu", "blocker", None, "Windows", DOCKER, NO_CARD | {"hardware": "pci=yes\nwsl=yes"},
    ),
    "a Jetson": (
        "jetson", "blocker", None, "Jetson", DOCKER, NO_CARD | {"hardware": "tegra=yes"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("box", BROKEN)
def test_the_cause_is_found(box: str) -> None:
    code, level, repair, words, engine, sections = BROKEN[box]
    found = looked_at(engine, **sections)
    assert (found[code].level, found[code].repair) == (level, repair)
    assert words in found[code].what
    assert found[code].do.endswith(".")
    others = {finding.code for finding in found.values() if finding.level != "ok"} - {code}
    assert not others - {"docker_rootless", "is_container"}, "one cause, not its consequences"


SOUND_BOXES: dict[str, tuple[DockerInfo, Sections]] = {
    "SELinux": (docker(selinux=True), {}),
    "userns-remap": (docker(userns_remap=True), {}),
    "systemd-resolved": (DOCKER, {"resolvers": "nameserver=127.0.0.53\nresolved=yes"}),
    "a resolver on the box, and Docker told of another": (
        DOCKER, {"resolvers": "nameserver=127.0.0.1\ndocker=yes"},
    ),
    "a module of CUDA that the toolkit loads by itself": (
        DOCKER, {"hardware": f"{SOUND['hardware']}\nuvm=no"},
    ),
    "a container with the host's Docker": (
        DOCKER, {"container": "dockerenv", "hardware": f"{SOUND['hardware']}\nuvm=no"},
    ),
    "a container with the host's Docker, and a root of its own that is read-only": (
        DOCKER, {"container": "dockerenv", "read_only": "docker=/"},
    ),
    "a model on a disk that is mounted to be read": (
        DOCKER, {"read_only": "weights=/data", "cached": "models--openai--gpt-oss-20b 13439712"},
    ),
    "btrfs, which has no number of inodes": (DOCKER, {"inodes": "docker 0 0"}),
    "root's cache, and root's Docker": (DOCKER, {"system": system(hub_denied="/home/ann/.cache")}),
    "no-cgroups in LXC": (
        DOCKER, {"runtime": f"{SOUND['runtime']}\nno_cgroups=yes", "container": "container=lxc"},
    ),
    "no-cgroups, and CDI": (
        docker(cdi_devices=CDI), {"runtime": f"{LIST}cdi_driver=580.95.05\nno_cgroups=yes"},
    ),
    "an old list of CDI that another one goes before": (
        docker(cdi_devices=CDI),
        {"runtime": f"{LIST}cdi_driver=550.54.15\ncdi=/var/run/cdi/nvidia.yaml\ncdi_driver=580.95.05"},
    ),
    "Docker Desktop on WSL 2": (
        docker(desktop=True), {"runtime": "", "hardware": "pci=yes\nwsl=yes"},
    ),
    "arm64, which knows no AVX2": (DOCKER, {"system": system(avx2="no", architecture="aarch64")}),
}  # fmt: skip


@pytest.mark.parametrize("box", SOUND_BOXES)
def test_what_only_looks_broken_is_not_called_so(box: str) -> None:
    engine, sections = SOUND_BOXES[box]
    found = looked_at(engine, **sections)
    troubles = {finding.code for finding in found.values() if finding.level != "ok"}
    assert not troubles - {"is_container"}


def test_what_to_do_about_broken_settings_is_to_correct_them() -> None:
    broken = "why=unable to configure the Docker daemon with file /etc/docker/daemon.json: EOF"
    found = looked_at(None, docker=f"{DOWN}service=failed\n{broken}")
    assert found["docker_down"].do.startswith("Correct /etc/docker/daemon.json")


def test_a_disk_that_failed_and_one_to_be_read_are_told_apart() -> None:
    found = looked_at(read_only="docker=/\nweights=/data")
    assert "/data" not in found["disk_read_only"].what
    assert found["cache_read_only"].level == "warning"


def test_a_full_disk_is_told_of_an_empty_one() -> None:
    found = looked_at(
        disks="docker 40000000 8000000 /var/lib/docker\nweights 40000000 8000000 /home/ann",
        largest_free="810000000 /opt/dlami/nvme",
    )
    assert "data-root: /opt/dlami/nvme has 772 GiB free." in found["disk_docker"].do
    assert "(HF_HOME): /opt/dlami/nvme has 772 GiB free." in found["disk_weights"].do


def test_a_container_with_privileges_may_run_docker() -> None:
    found = looked_at(
        None,
        container="container=lxc",
        docker="cli=yes\ndaemon=yes",
        system=f"{SOUND['system']}\ncapabilities=000001ffffffffff",
    )
    assert (found["is_container"].level, found["docker_down"].repair) == ("warning", "docker-start")


def test_wsl_without_docker_is_told_of_docker_desktop() -> None:
    found = looked_at(None, docker="cli=yes\nservice=inactive", hardware="pci=yes\nwsl=yes")
    assert "WSL integration" in found["docker_no_daemon"].do


def test_what_confines_containers_is_said_with_what_launches_do_about_it() -> None:
    found = looked_at(docker(selinux=True, userns_remap=True))
    assert "label=disable" in found["selinux"].what
    assert "--userns host" in found["userns_remap"].what


def test_a_snap_with_gpus_gives_them_by_its_own_runtime() -> None:
    found = looked_at(SNAP, runtime="")
    assert found["docker_snap"].level == "warning"
    assert "Docker's snap" in found["gpu_runtime"].what


def test_a_plugin_that_refuses_is_not_taken_for_a_stopped_docker() -> None:
    said = "Docker refused: authorization denied by plugin opa: users may not list."
    found: dict[str, Finding] = {
        one.code: one
        for one in findings(parse_probe("@@docker\nsocket=/s\n@@end\n"), None, (said, "Look."))
    }
    assert "authorization denied by plugin opa" in found["docker_refused"].what
    assert "docker_down" not in found


@pytest.mark.parametrize("name", ["toolkit", "runtime"])
def test_the_boxs_toolkit_is_no_repair_for_a_snap(name: str) -> None:
    with pytest.raises(UsageError, match="snap"):
        make(name, report(docker=SNAP), Survey())


def test_no_dns_is_still_told_with_a_resolver_of_the_boxs_own() -> None:
    found = looked_at(reach_hub=DNS.format("x"), resolvers="nameserver=127.0.0.1")
    assert {"hub_unreachable", "container_dns"} <= set(found)
