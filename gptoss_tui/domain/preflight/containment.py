"""What shuts containers off from the box, and what launches do about it."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.confinement import UNLABELLED
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.preflight.seen import Seen

_RESOLVED = "127.0.0.53"  # systemd-resolved's own address


def check(seen: Seen) -> Iterator[Finding]:
    docker = seen.docker
    if docker is None:
        return
    if docker.selinux:
        yield Finding(
            code="selinux",
            level="ok",
            what="SELinux confines containers: servers are launched with --security-opt "
            f"{UNLABELLED}, so that they reach the GPUs and the model cache.",
            topic="SELinux",
        )
    if docker.userns_remap:
        yield Finding(
            code="userns_remap",
            level="ok",
            what="Docker gives containers another user (userns-remap): servers are launched with "
            "--userns host, so that they may write to the model cache.",
            topic="user namespaces",
        )
    if docker.authorization:
        yield Finding(
            code="docker_authorization",
            level="warning",
            what=f"A plugin of Docker ({', '.join(docker.authorization)}) decides on each call, and "
            "may refuse a launch.",
            do="If it does, its sentence says why: ask whoever set it up.",
            topic="Docker",
        )
    yield from _forwarding(seen)
    yield from _names(seen)


def _forwarding(seen: Seen) -> Iterator[Finding]:
    """Docker turns it on when it starts; a hardening of the box turns it off again."""
    if seen.docker is not None and not seen.docker.forwards and not seen.docker.podman:
        yield Finding(
            code="container_network",
            level="warning",
            what="The kernel passes nothing on for containers (net.ipv4.ip_forward is 0): a server "
            "cannot fetch its model.",
            do="sudo sysctl -w net.ipv4.ip_forward=1, and take what turns it off out of "
            "/etc/sysctl.d.",
            topic="network",
        )


def _names(seen: Seen) -> Iterator[Finding]:
    """A resolver on the box itself is out of a container's reach: Docker leaves it out.

    https://docs.docker.com/engine/daemon/troubleshoot/#dns-resolver-issues
    """
    known = seen.probe.resolvers
    if seen.docker is None or seen.docker.podman or known.of_docker or not known.addresses:
        return
    if known.resolved and _RESOLVED in known.addresses:
        return
    if all(address.startswith("127.") or address == "::1" for address in known.addresses):
        yield Finding(
            code="container_dns",
            level="warning",
            what=f"The box asks a resolver of its own for names ({', '.join(known.addresses)}), "
            "which containers cannot reach: Docker gives them a public one (8.8.8.8).",
            do='Where that is not reachable: name one in /etc/docker/daemon.json ("dns"), and '
            "restart Docker.",
            topic="network",
        )
