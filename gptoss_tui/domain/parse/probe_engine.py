"""The parts of the probe's output that tell of the container engine and of NVIDIA's toolkit."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.parse.sections import pairs


class DockerSigns(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of Docker, seen from outside of it.

    `service` is systemd's word ("active", "failed"), None where there is no systemd; `masked`: it
    may not be started; `why` is the last error that it wrote before it failed. `in_group`: the user
    is in the group docker, which counts from his next login on. `snap`: the Engine is Canonical's
    snap. `desktop`: Docker Desktop's socket is there. `runs_here`: its process is seen, so that its
    files are those of this box, even where that is a container.
    """

    cli: bool = False
    cli_is_podman: bool = False
    daemon: bool = False
    snap: bool = False
    desktop: bool = False
    runs_here: bool = False
    service: str | None = None
    masked: bool = False
    why: str = ""
    in_group: bool = False
    podman: str | None = None


class Toolkit(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of the NVIDIA Container Toolkit: its programs, Docker's settings, CDI's files.

    `cdi_driver` is the driver that the last of those files was made for, which goes before the
    others; `cdi_without_uvm`: it lacks the device by which CUDA starts. `no_cgroups`: the toolkit is
    set for a Docker without root. `gone` is where Docker's settings look for the runtime in vain.
    https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
    """

    ctk: bool = False
    hook: bool = False
    runtime: bool = False
    version: str | None = None
    configured: bool = False
    cdi_files: tuple[str, ...] = ()
    cdi_driver: str | None = None
    cdi_without_uvm: bool = False
    no_cgroups: bool = False
    gone: str | None = None

    @property
    def installed(self) -> bool:
        return self.ctk or self.hook or self.runtime


def socket(known: dict[str, str]) -> str | None:
    """Docker's; that of podman, where there is no Docker which this user may not use."""
    podman = None if "denied" in known else known.get("podman_socket")
    return known.get("socket") or podman


def docker(known: dict[str, str]) -> DockerSigns:
    return DockerSigns(
        cli="cli" in known,
        cli_is_podman="cli_is_podman" in known,
        daemon="daemon" in known,
        snap="snap" in known,
        desktop="desktop" in known,
        runs_here="runs_here" in known,
        service=known.get("service") or None,
        masked="masked" in known,
        why=known.get("why", ""),
        in_group="in_group" in known,
        podman=known.get("podman"),
    )


def toolkit(lines: list[str]) -> Toolkit:
    known = pairs(lines)
    files = tuple(line.removeprefix("cdi=") for line in lines if line.startswith("cdi="))
    last = pairs(lines[::-1])
    return Toolkit(
        ctk="nvidia-ctk" in known,
        hook="nvidia-container-runtime-hook" in known,
        runtime="nvidia-container-runtime" in known,
        version=known.get("version") or None,
        configured="configured" in known,
        cdi_files=files,
        cdi_driver=last.get("cdi_driver") or None,
        cdi_without_uvm=bool(files) and last.get("cdi_without_uvm") == files[-1],
        no_cgroups="no_cgroups" in known,
        gone=known.get("gone") or None,
    )
