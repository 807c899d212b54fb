"""Cards that fail, or are not quite what they seem: the one cause, in the words of their driver."""

from __future__ import annotations

import pytest

from gptoss_tui.domain.parse.probe import parse_probe
from gptoss_tui.domain.preflight import gpu_is_free
from tests.unit.test_preflight_boxes import FAILED, FIELDS, H100, SOUND, UNLOADED, looked_at

BROKEN: dict[str, tuple[str, str, str, dict[str, str | None]]] = {
    "fell off the bus, in the words of today": (
        "gpu_lost", "blocker", "lost a GPU (0000:5D:00.0)",
        {"gpus": "Unable to determine the device handle for GPU0: 0000:5D:00.0: Unknown Error\n"
         "No devices were found\n@status 6", "health": "", "kernel_log": ""},
    ),
    "fell off the bus before the driver began": (
        "gpu_lost", "blocker", "fell off the bus",
        {"gpus": "No devices were found\n@status 6", "health": "",
         "kernel_log": "@first [ 0.0] x\n[ 9.3] NVRM: The NVIDIA GPU 0000:b3:00.0\n"
         "               NVRM: fallen off the bus and is not responding to commands."},
    ),
    "a GPU that its own row calls lost": (
        "gpu_lost", "blocker", "lost GPU 0 (NVIDIA H100 80GB HBM3)",
        {"gpus": f"@fields {FIELDS}\n0, GPU-a, [GPU is lost], [GPU is lost], [GPU is lost], 9.0, "
         "[GPU is lost], [GPU is lost], NVIDIA H100 80GB HBM3\n@status 0"},
    ),
    "a GPU that waits for a reset": (
        "gpu_reset_needed", "blocker", "waits for a reset",
        {"health": SOUND["health"].replace("41,", "[GPU requires reset],")},
    ),
    "no addresses for the card's memory": (
        "gpu_no_window", "blocker", "BAR1 is 0M",
        {"hardware": f"{UNLOADED}\nmodule_file=/lib/modules/6.8/nvidia.ko", "gpus": FAILED,
         "health": FAILED,
         "kernel_log": "@first [ 0.0] x\n[ 9.1] NVRM: This PCI I/O region assigned to your NVIDIA "
         "device is invalid:\n               NVRM: BAR1 is 0M @ 0x0 (PCI:0000:0a:00.0)"},
    ),
    "no addresses, and the module loaded": (
        "gpu_no_window", "blocker", "BAR1 is 0M",
        {"gpus": "No devices were found\n@status 6", "health": "",
         "kernel_log": "@first [ 0.0] x\n[ 9.1] NVRM: BAR1 is 0M @ 0x0 (PCI:0000:0a:00.0)"},
    ),
    "Blackwell, and a driver of before": (
        "driver_unsupported", "blocker", "driver 550.144.03 does not know this card, which is newer",
        {"hardware": SOUND["hardware"].replace("580.95.05", "550.144.03"),
         "gpus": "No devices were found\n@status 6", "health": "",
         "kernel_log": "@first [ 0.0] x\n[ 9.1] NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:2b85)\n"
         "               NVRM: installed in this system is not supported by the\n"
         "               NVRM: NVIDIA 550.144.03 driver release."},
    ),
    "Blackwell, and the closed module, which is not kept loaded": (
        "open_module", "blocker", "open kernel module",
        {"hardware": f"{UNLOADED}\nmodule_file=/lib/modules/6.8/nvidia.ko", "gpus": FAILED,
         "health": FAILED,
         "kernel_log": "@first [ 0.0] x\n[ 9.1] NVRM: installed in this system requires use of the\n"
         "               NVRM: NVIDIA open kernel modules.\n[ 9.2] NVRM: None of the NVIDIA devices "
         "were initialized."},
    ),
    "a power cable forgotten": (
        "gpu_no_power", "blocker", "lacks power",
        {"gpus": "No devices were found\n@status 6", "health": "",
         "kernel_log": "@first [ 0.0] x\n[ 9.1] NVRM: GPU 0000:13:00.0: GPU does not have the "
         "necessary power cables connected.\n[ 9.1] NVRM: GPU 0000:13:00.0: RmInitAdapter failed!"},
    ),
    "switched off by prime-select": (
        "driver_blacklisted", "blocker", "/lib/modprobe.d/blacklist-nvidia.conf keeps it",
        {"hardware": f"{UNLOADED}\nmodule_file=/lib/modules/6.8/nvidia.ko\nsecure_boot=1\n"
         "blacklisted=/lib/modprobe.d/blacklist-nvidia.conf", "gpus": FAILED, "health": FAILED},
    ),
    "one process alone, and MPS is it": (
        "gpu_exclusive", "blocker", "has it already: nvidia-cuda-mps-server",
        {"health": SOUND["health"].replace("Default", "Exclusive_Process"),
         "apps": "GPU-a, 4711, nvidia-cuda-mps-server, 30"},
    ),
    "given to a virtual machine, and kept from the host": (
        "gpu_passed_on", "blocker", "virtual machine",
        {"hardware": f"{UNLOADED} vfio-pci\nmodule_file=/lib/modules/6.8/nvidia.ko\n"
         "blacklisted=/etc/modprobe.d/vfio.conf", "gpus": FAILED, "health": FAILED},
    ),
    "Secure Boot, in the words of the kernel's lockdown": (
        "secure_boot", "blocker", "not signed",
        {"hardware": f"{UNLOADED}\nmodule_file=/lib/modules/6.8/nvidia.ko", "gpus": FAILED,
         "health": FAILED, "kernel_log": "@first [ 0.0] x\n[ 9.1] Lockdown: modprobe: unsigned module "
         "loading is restricted; see man kernel_lockdown.7"},
    ),
    "Secure Boot, and a log that is shut": (
        "secure_boot", "blocker", "not signed",
        {"hardware": f"{UNLOADED}\nmodule_file=/lib/modules/6.8/nvidia.ko\nsecure_boot=1",
         "gpus": FAILED, "health": FAILED, "kernel_log": None},
    ),
    "Secure Boot, and a signed module that nobody loaded": (
        "driver_unloaded", "blocker", "is not loaded",
        {"hardware": f"{UNLOADED}\nmodule_file=/lib/modules/6.8/nvidia.ko\nsecure_boot=1",
         "gpus": FAILED, "health": FAILED},
    ),
    "a mining rack": (
        "gpu_lanes", "warning", "GPU 0 is connected by 1 PCIe lane of 16",
        {"detail": "fabric=N/A\nlink=0 1 16"},
    ),
    "a virtual GPU without a license": (
        "vgpu_license", "warning", "Unlicensed (Unrestricted)",
        {"detail": "license=Unlicensed (Unrestricted)\nlink=0 0 0"},
    ),
    "NVSwitch not up": (
        "fabric_manager", "blocker", "Fabric State: In Progress", {"detail": "fabric=In Progress"},
    ),
    "a service of NVSwitch that starts again and again": (
        "fabric_manager", "blocker", "nvidia-fabricmanager is activating",
        {"hardware": SOUND["hardware"] + "\nfabric_manager=activating"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("box", BROKEN)
def test_the_cause_is_found(box: str) -> None:
    code, level, words, sections = BROKEN[box]
    found = looked_at(**sections)
    assert found[code].level == level
    assert words in found[code].what
    assert found[code].do.endswith(".")
    others = {finding.code for finding in found.values() if finding.level != "ok"} - {code}
    assert not others, "one cause, not its consequences"


def test_one_of_two_that_fell_off_the_bus_is_one_finding_and_named() -> None:
    found = looked_at(
        hardware=SOUND["hardware"] + "\ncard=0000:5d:00.0 nvidia",
        gpus="Unable to determine the device handle for GPU1: 0000:5D:00.0: Unknown Error\n"
        f"@fields {FIELDS}\n{H100}\n@status 0",
        kernel_log="@first [ 0.0] x\n[ 9.1] NVRM: Xid (PCI:0000:5d:00): 79, pid=1, GPU has fallen off "
        "the bus.",
    )
    assert "one fell off the bus (0000:5D:00.0)" in found["gpu_missing"].what
    assert [finding.code for finding in found.values() if finding.level != "ok"] == ["gpu_missing"]


@pytest.mark.parametrize(
    "beside",
    [
        {"hardware": SOUND["hardware"] + "\ncard=0000:02:00.0 vfio-pci"},
        {
            "hardware": SOUND["hardware"] + "\ncard=0000:02:00.0 nvidia",
            "container": "container=lxc",
        },
    ],
    ids=["passed on", "of the host"],
)
def test_a_card_that_is_not_this_systems_hides_no_error_of_another(beside: dict[str, str]) -> None:
    fell = (
        "@first [ 0.0] x\n[ 9.1] NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus."
    )
    found = looked_at(kernel_log=fell, **beside)
    assert "XID 79" in found["gpu_xid"].what
    assert "gpu_missing" not in found


def test_a_gpu_that_is_lost_is_no_obstacle_while_another_is_there() -> None:
    lost = ("0, GPU-a,", "1, GPU-b,"), (" 4,", " [GPU is lost],"), ("81559", "[GPU is lost]")
    row = H100
    for old, new in lost:
        row = row.replace(old, new)
    found = looked_at(
        hardware=SOUND["hardware"] + "\ncard=0000:02:00.0 nvidia",
        gpus=f"@fields {FIELDS}\n{H100}\n{row}\n@status 0",
    )
    assert found["gpu_lost"].level == "warning"
    assert "gpu_memory_unknown" not in found


def test_two_lanes_are_several() -> None:
    assert "by 2 PCIe lanes of 16" in looked_at(detail="link=0 2 16")["gpu_lanes"].what


def test_persistence_mode_off_is_no_trouble() -> None:
    found = looked_at(health=SOUND["health"].replace("580.95.05, Enabled", "580.95.05, Disabled"))
    assert {finding.level for finding in found.values()} == {"ok"}
    assert "persistence mode is off" in found["gpu_health"].what


@pytest.mark.parametrize(
    "detail", ["license=Licensed (Expiry: 2027-1-1 0:0:0 GMT)", "fabric=Completed", "link=0 8 16"]
)
def test_what_nvidia_smi_tells_of_a_sound_box_is_no_trouble(detail: str) -> None:
    assert {finding.level for finding in looked_at(detail=detail).values()} == {"ok"}


@pytest.mark.parametrize(("capability", "ollama"), [("3.7", False), ("7.5", True)])
def test_ollama_is_named_for_old_cards_that_it_runs_on(capability: str, ollama: bool) -> None:
    found = looked_at(gpus=f"@fields {FIELDS}\n{H100.replace('9.0', capability)}\n@status 0")
    assert ("Ollama" in found["gpu_too_old"].do) == ollama


def test_memory_that_no_process_is_told_of_is_not_called_a_process() -> None:
    found = looked_at(gpus=f"@fields {FIELDS}\n{H100.replace(' 4,', ' 72010,')}\n@status 0")
    assert "End that process" not in found["gpu_busy"].do
    assert "fuser -v /dev/nvidia*" in found["gpu_busy"].do


@pytest.mark.parametrize(
    ("health", "apps", "free", "usable"),
    [
        ("Default", "", True, True),
        ("Prohibited", "", False, False),
        ("Exclusive_Process", "", True, True),
        # Taken, and sound: who ends that process can have it.
        ("Exclusive_Process", "GPU-a, 4711, nvidia-cuda-mps-server, 30", False, True),
        ("[GPU requires reset]", "", False, False),
        ("[GPU is lost]", "", False, False),
    ],
)
def test_a_gpu_on_which_nothing_can_start_is_not_chosen(
    health: str, apps: str, free: bool, usable: bool
) -> None:
    sections = SOUND | {"health": (SOUND["health"] or "").replace("Default", health), "apps": apps}
    probe = parse_probe("".join(f"\n@@{name}\n{text}\n" for name, text in sections.items()))
    (gpu,) = probe.report.gpus
    assert gpu_is_free(gpu, probe.report) is free
    assert gpu.usable is usable
