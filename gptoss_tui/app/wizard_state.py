"""The wizard's choices and what follows from them. Pure: the screen only shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gptoss_tui.domain.choose import choose, named_gpus, on_disk, plan_gpu, spare, taken_gpus
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.engines.release import Release, release
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.complete import complete
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.types import Plan, PlanRequest
from gptoss_tui.domain.preflight import gpu_is_free
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.spec import build_spec
from gptoss_tui.errors import GptossError, UsageError


@dataclass(frozen=True)
class Choices:
    """What stands in the form, as text where the user types. No `version` is the pinned one."""

    model: str = "20b"
    engine: str = "vllm"
    version: str = ""
    context: str = "32768"
    users: str = "8"
    gpu_ids: tuple[str, ...] = ()
    port: str = ""
    name: str = ""


@dataclass(frozen=True)
class Outcome:
    """A plan, or the sentence why there is none. `release` is what it is for.

    `pinned` is the plan of the pinned version, where another one was chosen.
    """

    plan: Plan | None = None
    problem: str = ""
    release: Release | None = None
    pinned: Plan | None = None


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
    corrections: tuple[tuple[str, float], ...] = (),
    speeds: tuple[tuple[str, float, float], ...] = (),
) -> Outcome:
    """The plan for these choices, with speed, cost and what else would fit.

    `running` servers have their GPUs; `corrections` and `speeds` are what this box has shown in
    earlier launches.
    """
    meant: Release | None = None
    taken = taken_gpus(running)
    try:
        meant = _release(choices)
        asked, gpus = _asked(report, choices, corrections, speeds)
        plan = complete(asked, recommend(asked), spare=spare(report, gpus, taken), box=True)
    except GptossError as error:
        return Outcome(problem=str(error), release=meant)
    return Outcome(plan=plan, release=meant, pinned=_pinned(asked))


def _pinned(asked: PlanRequest) -> Plan | None:
    """The same for the pinned version, where another one was asked for and it can be planned."""
    pinned = engine_named(asked.engine).default_version
    if asked.engine_version == pinned:
        return None
    try:
        return recommend(msgspec.structs.replace(asked, engine_version=pinned))
    except GptossError:
        return None


def _asked(
    report: BoxReport,
    choices: Choices,
    corrections: tuple[tuple[str, float], ...],
    speeds: tuple[tuple[str, float, float], ...],
) -> tuple[PlanRequest, tuple[Gpu, ...]]:
    """What was asked for, on the chosen GPUs. Raises `GptossError`."""
    if not choices.gpu_ids:
        raise UsageError("Choose at least one GPU.")
    gpus = named_gpus(report, choices.gpu_ids)
    request = msgspec.structs.replace(
        _request(choices),
        gpus=tuple(plan_gpu(gpu, report.memory_total_bytes) for gpu in gpus),
        corrections=corrections,
        speeds=speeds,
    )
    return on_disk(request, report), gpus


def _request(choices: Choices) -> PlanRequest:
    """What was asked for, on no GPU yet. Raises `UsageError`."""
    return PlanRequest(
        model=choices.model,
        gpus=(),
        engine=choices.engine,
        engine_version=_release(choices).version,
        max_model_len=number(choices.context, "The context"),
        users=number(choices.users, "Users"),
    )


def _release(choices: Choices) -> Release:
    """The version, and the image where it is one of the user's own. Raises `UsageError`."""
    return release(engine_named(choices.engine), choices.version)


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
        if names or not gpu_is_free(gpu):
            found[str(gpu.index)] = names[0] if names else "somebody"
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
    said = ", ".join(f"GPU {key} was taken by {now[key]}" for key in gone)
    instead = f"GPU {', '.join(found)} is chosen instead" if found else "no other one is free"
    return Moved(found, f"{said} meanwhile: {instead}.")


def gpu_label(gpu: Gpu, holder: str = "") -> str:
    """A GPU in the list of choices, with the server that has it."""
    name = gpu.name.removeprefix("NVIDIA ")
    by = f"  {holder}" if holder and holder != "somebody" else "  in use"
    return f"{gpu.index}  {name}{by if holder or not gpu_is_free(gpu) else ''}"


def spec_of(
    report: BoxReport,
    plan: Plan,
    choices: Choices,
    running: tuple[Instance, ...],
    *,
    launch_id: str,
    created_by: str,
    created_at: datetime,
    has_token: bool = False,
    needs_api_key: bool = False,
) -> LaunchSpec:
    """The launch spec. Raises the errors of `build_spec`."""
    return build_spec(
        plan=plan,
        report=report,
        gpus=named_gpus(report, choices.gpu_ids),
        launch_id=launch_id,
        created_by=created_by,
        created_at=created_at,
        name=choices.name.strip() or None,
        port=number(choices.port, "The port") if choices.port.strip() else None,
        image=_release(choices).image,
        has_token=has_token,
        needs_api_key=needs_api_key,
        others=running,
    )
