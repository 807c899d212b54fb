"""The wizard's choices and what follows from them. Pure: the screen only shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

import msgspec

from gptoss_tui.app.in_app import in_app
from gptoss_tui.domain.choose import (
    choose,
    choose_for_users,
    named_gpus,
    noted,
    on_disk,
    plan_gpu,
    spare,
    taken_gpus,
)
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.engines.release import Release, release
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.complete import complete
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.settle import DEFAULT_CONTEXT, DEFAULT_USERS
from gptoss_tui.domain.plan.types import Plan, PlanGpu, PlanRequest
from gptoss_tui.domain.preflight import gpu_is_free
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.spec import build_spec, checked_name, checked_port
from gptoss_tui.errors import GptossError, UsageError

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Choices:
    """What stands in the form, as text where the user types. No `version` is the pinned one.

    `has_key` and `has_token` say that these secrets are typed.
    """

    model: str = "20b"
    engine: str = "vllm"
    version: str = ""
    context: str = str(DEFAULT_CONTEXT)
    users: str = str(DEFAULT_USERS)
    gpu_ids: tuple[str, ...] = ()
    port: str = ""
    name: str = ""
    has_key: bool = False
    has_token: bool = False


@dataclass(frozen=True)
class Stamp:
    """Which launch it is, of whom, and when."""

    launch_id: str
    created_by: str
    created_at: datetime


_SOMEBODY = "somebody"
_UNSTAMPED = Stamp("", "", datetime.fromtimestamp(0, UTC))


@dataclass(frozen=True)
class Outcome:
    """A plan, and what would be launched by it.

    `faults` are the sentences of all that cannot be as it stands in the form: with any of them
    nothing is launched, and `spec` leaves a name or a port out that is none. `release` is what the
    plan is for, `pinned` the plan of the pinned version where another one was chosen.
    """

    plan: Plan | None = None
    spec: LaunchSpec | None = None
    faults: tuple[str, ...] = ()
    release: Release | None = None
    pinned: Plan | None = None

    @property
    def problem(self) -> str:
        """All faults in one line."""
        return " ".join(self.faults)


class _Faults(list[str]):
    """The sentences of what was tried and cannot be."""

    def tried(self, make: Callable[P, T], *args: P.args, **named: P.kwargs) -> T | None:
        try:
            return make(*args, **named)
        except GptossError as error:
            self.append(in_app(str(error)))
            return None


def number(text: str, what: str) -> int:
    """A whole number, with or without commas, k or K. Raises `UsageError`."""
    plain = text.strip().lower().replace(",", "").replace("_", "")
    factor = 1024 if plain.endswith("k") else 1
    try:
        return int(plain.removesuffix("k")) * factor
    except ValueError:
        raise UsageError(f"{what} must be a whole number, not {text.strip()!r}.") from None


def outcome(
    report: BoxReport,
    choices: Choices,
    running: Iterable[Instance] = (),
    *,
    corrections: tuple[tuple[str, float], ...] = (),
    speeds: tuple[tuple[str, float, float], ...] = (),
    stamp: Stamp = _UNSTAMPED,
) -> Outcome:
    """The plan for these choices, with speed, cost and what else would fit, and its launch.

    `running` servers have their GPUs, names and ports; `corrections` and `speeds` are what this
    box has shown in earlier launches.
    """
    servers, faults = tuple(running), _Faults()
    meant = faults.tried(_release, choices)
    for read in (_context, _users):
        faults.tried(read, choices)
    gpus = faults.tried(_gpus, report, choices) or ()
    asked = plan = spec = None
    if not faults:
        asked = faults.tried(_asked, report, choices, gpus, corrections, speeds)
    if asked is not None and meant is not None:
        others = spare(report, gpus, taken_gpus(servers))
        plan = faults.tried(_plan, asked, meant, report, others)
    name = faults.tried(_name, choices, servers)
    port = faults.tried(_port, choices, report, servers)
    if plan is not None and meant is not None:
        spec = faults.tried(
            build_spec,
            plan=plan,
            report=report,
            gpus=gpus,
            launch_id=stamp.launch_id,
            created_by=stamp.created_by,
            created_at=stamp.created_at,
            name=name,
            port=port,
            image=meant.image,
            has_token=choices.has_token,
            needs_api_key=choices.has_key,
            others=servers,
        )
    return Outcome(
        plan=plan,
        spec=spec,
        faults=tuple(faults),
        release=meant,
        pinned=_pinned(asked) if plan is not None and asked is not None else None,
    )


# --- the parts of the form, each raising `GptossError` where it makes no sense ---------------------


def _release(choices: Choices) -> Release:
    """The version, and the image where it is one of the user's own. Raises `UsageError`."""
    return release(engine_named(choices.engine), choices.version)


def _context(choices: Choices) -> int:
    return number(choices.context, "The context")


def _users(choices: Choices) -> int:
    return number(choices.users, "Users")


def _gpus(report: BoxReport, choices: Choices) -> tuple[Gpu, ...]:
    if not choices.gpu_ids:
        raise UsageError("Choose at least one GPU.")
    return named_gpus(report, choices.gpu_ids)


def _name(choices: Choices, running: tuple[Instance, ...]) -> str | None:
    name = choices.name.strip()
    return checked_name(name, running) if name else None


def _port(choices: Choices, report: BoxReport, running: tuple[Instance, ...]) -> int | None:
    port = choices.port.strip()
    return checked_port(number(port, "The port"), report, running) if port else None


def _request(choices: Choices) -> PlanRequest:
    """What was asked for, on no GPU yet."""
    return PlanRequest(
        model=choices.model,
        gpus=(),
        engine=choices.engine,
        engine_version=_release(choices).version,
        max_model_len=_context(choices),
        users=_users(choices),
    )


def _asked(
    report: BoxReport,
    choices: Choices,
    gpus: tuple[Gpu, ...],
    corrections: tuple[tuple[str, float], ...],
    speeds: tuple[tuple[str, float, float], ...],
) -> PlanRequest:
    """The same on these GPUs."""
    request = msgspec.structs.replace(
        _request(choices),
        gpus=tuple(plan_gpu(gpu, report.memory_total_bytes) for gpu in gpus),
        corrections=corrections,
        speeds=speeds,
    )
    return on_disk(request, report, _release(choices).image)


def _plan(
    asked: PlanRequest, meant: Release, report: BoxReport, others: tuple[PlanGpu, ...]
) -> Plan:
    made = noted(recommend(asked), meant, report, release_told=True)
    return complete(asked, made, spare=others, box=True)


def _pinned(asked: PlanRequest) -> Plan | None:
    """The same for the pinned version, where another one was asked for and it can be planned."""
    pinned = engine_named(asked.engine).default_version
    if asked.engine_version == pinned:
        return None
    try:
        return recommend(msgspec.structs.replace(asked, engine_version=pinned))
    except GptossError:
        return None


# --- GPUs -----------------------------------------------------------------------------------------


def first_choices(report: BoxReport, running: Iterable[Instance] = ()) -> Choices:
    """What the form begins with: GPUs that are free, for the usual users or as many as fit."""
    choices = Choices()
    asked = msgspec.structs.replace(_request(choices), users=None)
    try:
        gpus, plan = choose_for_users(report, asked, (), taken_gpus(running))
    except GptossError:
        return choices
    users = plan.request.users if plan.serves else None
    return replace(
        choices,
        users=str(users or DEFAULT_USERS),
        gpu_ids=tuple(str(gpu.index) for gpu in gpus),
    )


def preselected(
    report: BoxReport, choices: Choices, running: Iterable[Instance] = ()
) -> tuple[str, ...]:
    """The GPUs for these choices: free ones, as few as hold them; never somebody else's."""
    try:
        gpus, _ = choose(report, _request(choices), (), taken_gpus(running))
    except GptossError:
        return ()
    return tuple(str(gpu.index) for gpu in gpus)


def servers_with_gpus(
    listed: Iterable[Instance], launches: Iterable[LaunchProgress]
) -> tuple[Instance, ...]:
    """The servers of a box; those without a container yet have the GPUs of their launch."""
    specs = {one.launch_id: one.spec for one in launches if one.spec}
    return tuple(
        msgspec.structs.replace(one, gpu_ids=spec.gpu_ids)
        if not one.gpu_ids and (spec := specs.get(one.launch_id or ""))
        else one
        for one in listed
    )


def holders(report: BoxReport, running: Iterable[Instance]) -> dict[str, str]:
    """Who is on each GPU that is not free, by the GPU's index: a server's name, or "somebody"."""
    servers = tuple(running)
    found: dict[str, str] = {}
    for gpu in report.gpus:
        names = [one.name for one in servers if {str(gpu.index), gpu.uuid} & taken_gpus((one,))]
        if names or not gpu_is_free(gpu, report):
            found[str(gpu.index)] = names[0] if names else _SOMEBODY
    return found


@dataclass(frozen=True)
class Moved:
    """A choice whose GPUs were taken meanwhile: those to take instead (none: no other is free)."""

    gpu_ids: tuple[str, ...]
    words: str


def moved(
    report: BoxReport,
    choices: Choices,
    running: Iterable[Instance],
    before: Mapping[str, str],
) -> Moved | None:
    """Other GPUs where a chosen one is not free any more; None where all are as they were.

    `before` are the `holders` when the choice was made: what was shared on purpose stays.
    """
    servers = tuple(running)
    now = holders(report, servers)
    gone = [key for key in choices.gpu_ids if key in now and key not in before]
    if not gone:
        return None
    found = preselected(report, choices, servers)
    broken = {str(gpu.index) for gpu in report.gpus if not gpu.usable}
    said = ", ".join(
        f"GPU {key} "
        + ("failed" if key in broken and now[key] == _SOMEBODY else f"was taken by {now[key]}")
        for key in gone
    )
    instead = f"GPU {', '.join(found)} is chosen instead" if found else "no other one is free"
    return Moved(found, f"{said} meanwhile: {instead}.")


def gpu_label(gpu: Gpu, holder: str = "") -> str:
    """A GPU in the list of choices, with its holder as `holders` has it (none: it is free)."""
    by = f"  {'in use' if holder == _SOMEBODY else holder}" if holder else ""
    if not gpu.usable:
        by = "  cannot be used"
    return f"{gpu.index}  {gpu.name.removeprefix('NVIDIA ')}{by}"
