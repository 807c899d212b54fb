"""What keeps a container from the box's GPUs and folders, and what a launch says against it.

SELinux gives a container a label of its own: it may open neither the GPUs' device nodes nor a folder
that carries no such label, as the model cache in a home does not. `label=disable` leaves that label
out; relabelling the cache (`:z`) would change the user's own files.
https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/troubleshooting.html#nvml-insufficient-permissions-and-selinux
https://docs.podman.io/en/latest/markdown/podman-run.1.html#security-opt-option

With `userns-remap` the container's root is a user of the box that owns nothing there: it may not
write to the model cache. `--userns=host` leaves the remapping out.
https://docs.docker.com/engine/security/userns-remap/#disable-namespace-remapping-for-a-container
"""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.host import DockerInfo
from gptoss_tui.domain.launch import LaunchSpec

UNLABELLED = "label=disable"


def let_out(spec: LaunchSpec, docker: DockerInfo | None) -> LaunchSpec:
    """The spec with what a container on this Engine needs to reach the GPUs and the model cache."""
    return msgspec.structs.replace(
        spec,
        security_opt=(UNLABELLED,) if docker is not None and docker.selinux else (),
        host_user=docker is not None and docker.userns_remap,
    )
