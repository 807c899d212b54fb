"""The wizard's choices and what follows from them. Pure: the screen only shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gptoss_tui.domain.choose import choose, named_gpus, on_disk, plan_gpu, spare, taken_gpus
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan import Plan, PlanRequest, complete, recommend
from gptoss_tui.domain.preflight import gpu_is_free
from gptoss_tui.domain.spec import build_spec
from gptoss_tui.errors import GptossError, UsageError

CONTEXTS = (8_192, 16_384, 32_768, 65_536, 131_072)


@dataclass(frozen=True)
class Choices:
    """What stands in the form, as text where the user types."""

    model: str = "20b"
    context: str = "32768"
    users: str = "8"
    gpu_ids: tuple[str, ...] = ()
    port: str = ""
    name: str = ""
    image: str = ""


@dataclass(frozen=True)
class Outcome:
    """A plan, or the sentence why there is none."""

    plan: Plan | None = None
    problem: str = ""


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
    try:
        return Outcome(plan=_plan(report, choices, taken_gpus(running), corrections, speeds))
    except GptossError as error:
        return Outcome(problem=str(error))


def _plan(
    report: BoxReport,
    choices: Choices,
    taken: frozenset[str],
    corrections: tuple[tuple[str, float], ...],
    speeds: tuple[tuple[str, float, float], ...],
) -> Plan:
    if not choices.gpu_ids:
        raise UsageError("Choose at least one GPU.")
    gpus = named_gpus(report, choices.gpu_ids)
    request = PlanRequest(
        model=choices.model,
        gpus=tuple(plan_gpu(gpu, report.memory_total_bytes) for gpu in gpus),
        max_model_len=number(choices.context, "The context"),
        users=number(choices.users, "Users"),
        corrections=corrections,
        speeds=speeds,
    )
    request = on_disk(request, report)
    return complete(request, recommend(request), spare=spare(report, gpus, taken), box=True)


def preselected(report: BoxReport, model: str, running: Iterable[Instance]) -> tuple[str, ...]:
    """The GPUs to begin with: free ones, as few as hold the model; never somebody else's."""
    taken = taken_gpus(running)
    request = PlanRequest(model=model, gpus=(), max_model_len=32_768, users=8)
    try:
        gpus, _ = choose(report, request, (), taken)
    except GptossError:
        return ()
    return tuple(str(gpu.index) for gpu in gpus)


def gpu_label(gpu: Gpu) -> str:
    """A GPU in the list of choices."""
    busy = "" if gpu_is_free(gpu) else "  in use"
    return f"{gpu.index}  {gpu.name.removeprefix('NVIDIA ')}{busy}"


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
        image=choices.image.strip() or None,
        has_token=has_token,
        needs_api_key=needs_api_key,
        others=running,
    )
