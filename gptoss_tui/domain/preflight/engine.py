"""The container engine: Docker, its version, who may use it; rootless, podman, not running."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.gpu_access import (
    PODMAN_OLD,
    PODMAN_OLD_STEP,
    podman_gives_gpus,
    takes_gpus,
)
from gptoss_tui.domain.host import DockerInfo, Finding
from gptoss_tui.domain.preflight.seen import Seen
from gptoss_tui.domain.preflight.system import has_engine

_INSTALL = "Install Docker Engine: https://docs.docker.com/engine/install/."


def check(seen: Seen) -> Iterator[Finding]:
    if seen.docker is None:
        if seen.report.is_container and not has_engine(seen):
            return  # said already, in the finding about the container
        yield _none(seen)
        return
    yield from _there(seen.docker, wsl=seen.probe.hardware.wsl)
    if seen.docker.podman:
        yield from _podman(seen, seen.docker)


def _there(docker: DockerInfo, *, wsl: bool) -> Iterator[Finding]:
    if docker.desktop and not wsl:
        yield desktop_finding()
    yield Finding(
        code="docker",
        level="ok",
        what=f"{'Podman' if docker.podman else 'Docker Engine'} {docker.version} "
        f"(API {docker.api_version}), via {docker.via}.",
        topic="Docker",
    )
    if docker.via != "socket":
        yield Finding(
            code="docker_fallback",
            level="warning",
            what=f"Docker is reached by `{docker.via}` in a session channel, because its socket "
            "cannot be forwarded or this user may not use it.",
            do="Allow it: AllowStreamLocalForwarding yes in sshd, the user in the docker group.",
            topic="Docker",
            repair="docker-group" if docker.via == "sudo dial-stdio" else None,
        )
    if docker.rootless and not docker.podman:
        yield Finding(
            code="docker_rootless",
            level="warning",
            what="Docker runs without root: GPUs come by CDI, or by the runtime with no-cgroups "
            "set; what it holds lies in this user's home.",
            do="If a launch tells of cgroups: sudo nvidia-ctk config --set "
            "nvidia-container-cli.no-cgroups --in-place.",
            topic="Docker",
        )
    if not takes_gpus(docker.api_version) and not docker.podman:
        yield Finding(
            code="docker_old",
            level="warning",
            what=f"Docker {docker.version} is from before 19.03, which brought GPUs without a "
            "runtime of their own.",
            do="Update Docker Engine.",
            topic="Docker",
        )
    if docker.stale:
        names = ", ".join(docker.stale)
        yield Finding(
            code="stale_containers",
            level="warning",
            what=f"Stopped containers of gptoss-tui keep their names: {names}.",
            do="Read their logs if you want to know why they ended, then remove them.",
            topic="Docker",
            repair="stale-containers",
        )


def _podman(seen: Seen, docker: DockerInfo) -> Iterator[Finding]:
    """Its Docker-compatible service: GPUs by CDI, nobody who starts servers at boot by itself.

    https://docs.podman.io/en/latest/markdown/podman-run.1.html#restart-policy
    """
    if seen.report.gpus and not podman_gives_gpus(docker.version):
        yield Finding(
            code="podman_old",
            level="blocker",
            what=PODMAN_OLD.format(version=docker.version),
            do=PODMAN_OLD_STEP,
            topic="Docker",
        )
    user = seen.report.user or "USER"
    lingers = (
        f"Servers end when {user} logs out, unless: sudo loginctl enable-linger {user}."
        if docker.rootless
        else f"If a launch fails: {_INSTALL}"
    )
    yield Finding(
        code="podman_socket",
        level="warning",
        what="Podman answers in Docker's place: GPUs come by CDI alone, and after a reboot only "
        "podman-restart.service starts servers again.",
        do=lingers,
        topic="Docker",
    )


def _none(seen: Seen) -> Finding:
    probe = seen.probe
    signs = probe.docker
    if seen.docker_problem and "authorization denied by plugin" in seen.docker_problem[0]:
        return Finding(
            code="docker_refused",
            level="blocker",
            what=f"A plugin of Docker refuses what the app asks: {seen.docker_problem[0]}",
            do="Ask whoever set it up to allow it.",
            topic="Docker",
        )
    if probe.denied and not probe.socket:
        return _denied(seen)
    if signs.desktop and not probe.socket:
        return desktop_finding()
    if probe.socket or signs.daemon or (signs.cli and not signs.cli_is_podman):
        return _down(seen)
    if probe.tools & {"podman"} or signs.podman:
        return Finding(
            code="podman_only",
            level="blocker",
            what="There is podman here, and its service does not run (or is not this user's).",
            do="Start it: systemctl --user enable --now podman.socket (as root: systemctl enable "
            f"--now podman.socket). Or: {_INSTALL}",
            topic="Docker",
        )
    return Finding(
        code="no_docker", level="blocker", what="There is no Docker here.", do=_install(seen),
        topic="Docker",
    )  # fmt: skip


def _install(seen: Seen) -> str:
    """https://docs.docker.com/desktop/features/wsl/"""
    if seen.probe.hardware.wsl:
        return (
            f"{_INSTALL} Or with Docker Desktop on Windows: turn this distribution on in its "
            "Settings, Resources, WSL integration."
        )
    return _INSTALL


def desktop_finding() -> Finding:
    """https://docs.docker.com/desktop/features/gpu/: with WSL 2 alone."""
    return Finding(
        code="docker_desktop",
        level="blocker",
        what="This is Docker Desktop, whose Engine is in a virtual machine without GPUs.",
        do=f"{_INSTALL} Its socket goes before that of Docker Desktop.",
        topic="Docker",
    )


def _denied(seen: Seen) -> Finding:
    probe = seen.probe
    who = probe.report.user or "This user"
    if probe.docker.in_group:
        return Finding(
            code="docker_permission",
            level="blocker",
            what=f"{who} is in the docker group, but this login is older than that.",
            do="Connect anew: a group counts from the next login on.",
            topic="Docker",
        )
    sudo = {
        "password": "and sudo asks for a password",
        "yes": "and sudo did not help",
    }.get(probe.sudo or "", "and has no sudo here, or not without a password")
    return Finding(
        code="docker_permission",
        level="blocker",
        what=f"{who} may not use Docker ({probe.denied}), {sudo}.",
        do="Add the user to the docker group (which is root by another name), log in again.",
        topic="Docker",
        repair="docker-group",
    )


def _down(seen: Seen) -> Finding:
    """Installed, and nothing answers."""
    probe, signs = seen.probe, seen.probe.docker
    if not signs.daemon and not probe.socket and signs.service not in ("failed", "activating"):
        return Finding(
            code="docker_no_daemon",
            level="blocker",
            what="There is the command docker here, but no Docker Engine for it to speak to.",
            do=_install(seen),
            topic="Docker",
        )
    if signs.masked:
        return Finding(
            code="docker_down",
            level="blocker",
            what="Docker is installed, but its service is masked (or its socket): it may not be "
            "started.",
            do="sudo systemctl unmask docker.service docker.socket && sudo systemctl start docker.",
            topic="Docker",
            repair="docker-start",
        )
    state = f" (its service is {signs.service})" if signs.service else ""
    why = f" {seen.docker_problem[0]}" if seen.docker_problem and probe.socket else ""
    why = f" Its last error: {signs.why.rstrip('.')}." if signs.why else why
    return Finding(
        code="docker_down",
        level="blocker",
        what=f"Docker is installed, but does not run{state}.{why}",
        do="Correct /etc/docker/daemon.json, then start it: sudo systemctl start docker."
        if "daemon.json" in signs.why
        else "Start it: sudo systemctl start docker. If it does not come up, see "
        "sudo journalctl -u docker.",
        topic="Docker",
        repair="docker-start",
    )
