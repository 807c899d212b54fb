"""From what is known of a box to the repairs that it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.repair import cache, docker, toolkit
from gptoss_tui.domain.repair.types import NAMES, Repair, RepairName, Survey
from gptoss_tui.errors import NotFoundError, UsageError

_ID = re.compile(r"[0-9a-f]{12,64}")
# A name of a user that a shell, getent and usermod all take; what else a box tells is not used.
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._@\\-]{0,255}")


@dataclass(frozen=True)
class Offer:
    """A repair that would do something here, and why it is offered."""

    name: RepairName
    why: str
    needed: bool  # a finding asks for it; otherwise it only makes room


def offers(report: BoxReport, survey: Survey) -> tuple[Offer, ...]:
    """What can be repaired here: what findings ask for, then what would only make room."""
    asked: dict[RepairName, Offer] = {}
    for name in NAMES:
        found = next((each for each in report.findings if each.repair == name), None)
        if found is not None:
            asked[name] = Offer(name, found.what, needed=True)
    if survey.stopped and "stale-containers" not in asked:
        names = ", ".join(each.name for each in survey.stopped)
        asked["stale-containers"] = Offer(
            "stale-containers", f"Stopped containers of gptoss-tui are there: {names}.", False
        )
    plan = cache.cleaning(survey)
    if not plan.empty and "hf-cache" not in asked:
        size = cache.size_text(plan.bytes)
        why = f"{size} of the model cache are broken downloads or belong to no model any more."
        asked["hf-cache"] = Offer("hf-cache", why, needed=False)
    return tuple(asked.values())


def make(
    name: str,
    report: BoxReport,
    survey: Survey,
    *,
    repository: str = toolkit.REPOSITORY,
    drop_models: tuple[str, ...] = (),
) -> Repair:
    """The repair of that name for this box.

    `repository` is NVIDIA's package repository or a mirror of it; `drop_models` are models that
    "hf-cache" deletes besides. Raises `NotFoundError` and `UsageError`.
    """
    if name == "toolkit":
        return _toolkit(report, survey, repository)
    if name == "runtime":
        return _runtime(report, survey)
    if name == "docker-start":
        return _start()
    if name == "docker-group":
        return _group(report)
    if name == "stale-containers":
        return _stale(report, survey)
    if name == "hf-cache":
        return _cache(survey, drop_models)
    raise NotFoundError(f"There is no repair {name!r}.", f"There are: {', '.join(NAMES)}.")


def _engine(report: BoxReport) -> tuple[str, bool]:
    """As whom Docker runs where it runs without root (else nothing), and whether it is podman."""
    docker = report.docker
    if docker is None:
        return "", False
    return (_user(report) if docker.rootless and not docker.podman else ""), docker.podman


def _not_for_snap(report: BoxReport) -> None:
    """Raises `UsageError`: the snap's toolkit is its own, and one on the box breaks it."""
    if report.docker is not None and report.docker.snap:
        raise UsageError(
            "Docker comes from a snap here, which brings an NVIDIA toolkit of its own: one that is "
            "installed on the box does not reach it, and may break it.",
            "sudo snap refresh docker && sudo snap restart docker; or take Docker Engine instead.",
        )


def _toolkit(report: BoxReport, survey: Survey, repository: str) -> Repair:
    _not_for_snap(report)
    rootless_user, podman = _engine(report)
    return Repair(
        name="toolkit",
        title="Install the NVIDIA Container Toolkit",
        meaning="Without it no container sees the GPUs. It is installed from NVIDIA's package "
        "repository, Docker is told of it, and a container has to see the GPUs afterwards.",
        script=toolkit.install(repository, rootless_user, podman=podman),
        warnings=() if podman else (_restarts(survey),),
    )


def _runtime(report: BoxReport, survey: Survey) -> Repair:
    _not_for_snap(report)
    rootless_user, podman = _engine(report)
    return Repair(
        name="runtime",
        title="Tell Docker of the NVIDIA runtime",
        meaning="The toolkit is installed, but Docker does not know it. nvidia-ctk writes it into "
        "Docker's configuration, and a container has to see the GPUs afterwards.",
        script=toolkit.configure(rootless_user, podman=podman),
        warnings=() if podman else (_restarts(survey),),
    )


def _restarts(survey: Survey) -> str:
    """What the restart of Docker does to whom."""
    if survey.running is None:
        return "Docker restarts. It could not be asked what runs in it: all of it stops."
    if not survey.running:
        return "Docker restarts. No container runs now."
    names = ", ".join(each.name for each in survey.running)
    if survey.keeps_containers:
        return f"Docker restarts. Its containers run on (live-restore): {names}."
    return (
        f"Docker restarts, which stops every running container: {names}. Those with a restart "
        "policy come back, and load their models anew."
    )


def _start() -> Repair:
    return Repair(
        name="docker-start",
        title="Start Docker",
        meaning="Docker is installed and does not run. Its service is started.",
        script=docker.START,
    )


def _group(report: BoxReport) -> Repair:
    user = _user(report)
    return Repair(
        name="docker-group",
        title=f"Let {user} use Docker",
        meaning=f"{user} is put into the group docker, which may use Docker's socket. It holds "
        "from the next login on, so the box is connected anew before it is looked at again.",
        script=docker.join_group(user),
        warnings=(
            f"The group docker is root by another name: whoever is in it can become root on this "
            f"box without a password. From then on that holds for {user}.",
        ),
        reconnects=True,
    )


def _stale(report: BoxReport, survey: Survey) -> Repair:
    via = report.docker.via if report.docker else "sudo dial-stdio"
    gone = tuple(each for each in survey.stopped if _ID.fullmatch(each.id))
    return Repair(
        name="stale-containers",
        title="Remove stopped containers of gptoss-tui",
        meaning="They hold their names and some disk. Containers of others are never touched, nor "
        "is one that runs by then. Images and models stay.",
        script=docker.drop_stopped(tuple(each.id for each in gone)),
        warnings=("Their logs go with them.",) if gone else (),
        preview=tuple(f"{each.name}  {each.status}".rstrip() for each in gone),
        root=via == "sudo dial-stdio",
    )


def _cache(survey: Survey, drop_models: tuple[str, ...]) -> Repair:
    known = {each.model for each in survey.models}
    for model in drop_models:
        if model not in known:
            there = ", ".join(sorted(known)) or "none"
            raise NotFoundError(f"There is no {model} in the cache.", f"There: {there}.")
    folder = survey.cache_dir or "/nonexistent"
    plan = cache.cleaning(survey, drop_models)
    others = tuple(
        f"could go too, by --drop-model {each.model}: {cache.size_text(each.bytes)}"
        for each in survey.models
        if each.model not in drop_models
    )
    return Repair(
        name="hf-cache",
        title="Clean the model cache",
        meaning="Deletes downloads that broke off and files that belong to no model any more. "
        "What a process has open, and what a running container serves, is left.",
        script=cache.script(folder, plan),
        warnings=tuple(f"All of {each.model} is deleted." for each in plan.models),
        preview=cache.preview(folder, plan) + others,
    )


def _user(report: BoxReport) -> str:
    """The user on the box. Raises `NotFoundError` where the box told no name that can be used."""
    if report.user is None or not _USER.fullmatch(report.user):
        raise NotFoundError("The box does not tell who the user is.", "Look at the box again.")
    return report.user
