"""Why no GPU is told of: no card, no driver, another driver, a driver that does not work."""

from __future__ import annotations

import re

from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.preflight.seen import Seen

_INSTALL = "Install NVIDIA's driver (580 or newer), reboot, and look again."

_ADDRESS = re.compile(r"GPU ?\d*:? ?([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.\d)", re.IGNORECASE)


def fell(seen: Seen) -> bool:
    """Whether a card fell off the bus since the box was started."""
    log = seen.probe.kernel_log
    return log.fell or any(xid.code == 79 for xid in log.xids)


def unreached(seen: Seen) -> str:
    """ " (0000:5D:00.0)", the card that nvidia-smi says it cannot reach, or nothing."""
    found = _ADDRESS.search(seen.probe.gpu_said)
    return f" ({found[1]})" if found else ""


def why_none(seen: Seen) -> Finding:
    """The one cause that explains the others, as a blocker."""
    code, what, do = _cause(seen)
    return Finding(code=code, level="blocker", what=what, do=do, topic="GPUs")


def _cause(seen: Seen) -> tuple[str, str, str]:
    probe, hardware = seen.probe, seen.probe.hardware
    said = probe.gpu_said.lower()
    if probe.gpus_hung:
        return (
            "gpu_hung",
            "nvidia-smi did not answer in time: the driver hangs, or a card has failed.",
            "See the kernel log (sudo dmesg | grep NVRM), then reboot the box.",
        )
    if "version mismatch" in said:
        return _mismatch(seen)
    if hardware.denied:
        return (
            "gpu_denied",
            f"This user may not open {hardware.denied}.",
            "Add the user to the group that owns it (often video or render), and log in again.",
        )
    if "gpu is lost" in said or "unable to determine the device handle" in said or fell(seen):
        return (
            "gpu_lost",
            f"The driver lost a GPU{unreached(seen)}: it fell off the bus (XID 79), and does not "
            "answer any more.",
            "Reboot the box, powered off and on at best. If it comes again, the card or its power is "
            "faulty: take another box.",
        )
    # A module that takes no card at all is not kept loaded.
    loaded = bool(hardware.kernel_module)
    if cause := _refused(seen) or (None if loaded else _unloaded(seen)) or _incomplete(seen):
        return cause
    if hardware.wsl:
        return (
            "wsl_no_gpu",
            "This is WSL 2, and Windows passes no NVIDIA GPU on to it.",
            "Install NVIDIA's driver on Windows, not in here, then in Windows: wsl --update, wsl "
            "--shutdown.",
        )
    if hardware.tegra:
        return (
            "jetson",
            "This is a Jetson, on which nvidia-smi tells of no GPU: the engines' images are built "
            "for cards, not for its GPU.",
            "Take an image made for Jetson by hand, or choose another box.",
        )
    if hardware.pci and not hardware.cards and not seen.report.is_container:
        return (
            "no_gpu",
            "There is no NVIDIA card in this box.",
            "Choose a box with a GPU. Where one should be: it is not attached to this machine.",
        )
    what, do = probe.gpu_problem or (
        "No NVIDIA GPU was found: nvidia-smi is missing or tells of none.",
        "Install NVIDIA's driver, or choose a box with a GPU.",
    )
    return "no_gpu", what, do


def _mismatch(seen: Seen) -> tuple[str, str, str]:
    loaded = seen.probe.hardware.kernel_module
    version = f" ({loaded})" if loaded else ""
    return (
        "driver_mismatch",
        f"The NVIDIA driver was updated, but the old kernel module{version} is still loaded: "
        "driver/library version mismatch.",
        "Reboot the box (or unload and reload the nvidia kernel modules).",
    )


def _refused(seen: Seen) -> tuple[str, str, str] | None:
    """The module did not take the card; the kernel's log says why.

    https://github.com/NVIDIA/open-gpu-kernel-modules#compatible-gpus
    """
    log = seen.probe.kernel_log
    if not seen.probe.hardware.cards:
        return None
    if log.no_window:
        return _no_window()
    if log.no_power:
        return (
            "gpu_no_power",
            "The card does not start, for it lacks power: a power cable is missing or loose.",
            "Have all of the card's power cables plugged in, then start the box again.",
        )
    if log.wants_open:
        return (
            "open_module",
            "The card needs NVIDIA's open kernel module (all from Blackwell on do), and the other "
            "one is installed.",
            "Install the driver with the open module (Ubuntu: nvidia-driver-580-server-open), and "
            "reboot.",
        )
    if log.unknown:
        release = seen.probe.hardware.kernel_module or "that is installed"
        return (
            "driver_unsupported",
            f"The driver {release} does not know this card, which is newer than it (or a virtual GPU, "
            "which wants the provider's own driver).",
            "Install the driver 580 or newer, with the open kernel module (Ubuntu: "
            "nvidia-driver-580-server-open), and reboot.",
        )
    if log.refused:
        return (
            "driver_unsupported",
            "The driver does not support this card: it is too old for the driver, or for its open "
            "kernel module.",
            "See sudo dmesg | grep NVRM for the driver that does; gpt-oss wants Ampere or newer.",
        )
    if log.failed:
        return (
            "gpu_failed",
            "The driver could not start the card (RmInitAdapter failed).",
            "Reboot the box, power off and on at best; if it comes again, install the driver anew. "
            "In a virtual machine: see how the card is passed on.",
        )
    return None


def _no_window() -> tuple[str, str, str]:
    """https://docs.kernel.org/PCI/pci.html: the firmware gives each device its addresses."""
    return (
        "gpu_no_window",
        "The driver cannot reach the card's memory: the firmware gave it no addresses (BAR1 is 0M).",
        "Turn on Above 4G Decoding (Resizable BAR) in the BIOS, or start the kernel with pci=realloc. "
        "In a virtual machine: UEFI firmware and a large 64-bit MMIO window.",
    )


def _incomplete(seen: Seen) -> tuple[str, str, str] | None:
    """The kernel has its part of the driver, and the rest is not there."""
    probe = seen.probe
    if "libnvidia-ml" in probe.gpu_said:
        missing = "its library libnvidia-ml.so"
    elif probe.hardware.kernel_module and probe.hardware.cards and not probe.gpu_said:
        missing = "nvidia-smi"
    else:
        return None
    loaded = probe.hardware.kernel_module
    release = f" ({loaded})" if loaded else ""
    return (
        "driver_incomplete",
        f"Part of NVIDIA's driver is missing: {missing} is not on this box.",
        f"Install the driver's libraries and tools of the release that is loaded{release}; Ubuntu "
        "calls them libnvidia-compute and nvidia-utils.",
    )


def _unloaded(seen: Seen) -> tuple[str, str, str] | None:
    """A card is there, and NVIDIA's kernel module is not."""
    hardware = seen.probe.hardware
    if not hardware.cards:
        return None
    drivers = {card.driver for card in hardware.cards}
    if "vfio-pci" in drivers:
        return (
            "gpu_passed_on",
            "The card is kept for a virtual machine (vfio-pci), not for this system.",
            "Log in to that virtual machine, or give the card back to the host.",
        )
    if hardware.module_file and hardware.blacklisted:
        return (
            "driver_blacklisted",
            f"NVIDIA's kernel module is installed, and {hardware.blacklisted} keeps it from being "
            "loaded.",
            "Remove that file (Ubuntu: sudo prime-select nvidia, where it is the desktop's switch), "
            "sudo update-initramfs -u, and reboot.",
        )
    log = seen.probe.kernel_log
    unread = hardware.module_file and hardware.secure_boot and not log.readable
    if log.key_rejected or unread:
        return (
            "secure_boot",
            "Secure Boot keeps NVIDIA's kernel module out: it is not signed with a key that this "
            "machine knows.",
            "Turn Secure Boot off, or enrol the key (sudo mokutil --import), and reboot.",
        )
    if "nouveau" in drivers or "nouveau" in hardware.modules:
        return (
            "nouveau",
            "The card runs on nouveau, which cannot compute, and not on NVIDIA's driver.",
            "Install NVIDIA's driver (580 or newer), which keeps nouveau out, and reboot.",
        )
    if hardware.module_file:
        return (
            "driver_unloaded",
            "NVIDIA's driver is installed, but its kernel module is not loaded.",
            "Load it: sudo modprobe nvidia. If it refuses, see sudo dmesg | grep -i nvidia"
            + (" ('Key was rejected': Secure Boot)." if hardware.secure_boot else "."),
        )
    if seen.probe.gpu_said:
        return (
            "driver_unloaded",
            f"NVIDIA's driver has no module for the running kernel ({seen.report.kernel}): the "
            "kernel was updated, or the driver's build failed.",
            "Install the kernel's headers and the driver again (sudo dkms autoinstall), or boot "
            "the old kernel.",
        )
    return "no_driver", "There is an NVIDIA card here, but no NVIDIA driver.", _INSTALL
