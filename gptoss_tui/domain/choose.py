"""Which GPUs of a box to use: free ones, as few as hold what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from gptoss_tui.domain.drivers import cuda_of
from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.engines.registry import ENGINES
from gptoss_tui.domain.engines.release import Release
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport, Disk
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.plan.catalogue import card_named
from gptoss_tui.domain.plan.device import is_guessed, is_unified, reserved_bytes
from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.settle import DEFAULT_USERS
from gptoss_tui.domain.plan.types import Plan, PlanGpu, PlanRequest
from gptoss_tui.domain.plan.wrong import PlanInputError
from gptoss_tui.domain.preflight import MIG_SENTENCE, MIG_STEP, gpu_is_free
from gptoss_tui.domain.preflight.fetching import out_of_reach
from gptoss_tui.errors import DoesNotFitError, UsageError

_A_LITTLE = 10**9
_CHECK_SAYS_WHY = "`gptoss-tui check BOX` says why."


def plan_gpu(gpu: Gpu, host_bytes: int | None = None) -> PlanGpu:
    """A box's GPU as the planner takes it; one without memory of its own has that of the host.

    Raises `DoesNotFitError` when its memory is unknown, or the whole GPU cannot be had.
    """
    if gpu.mig:
        raise DoesNotFitError(MIG_SENTENCE.format(index=gpu.index, name=gpu.name), MIG_STEP)
    total = gpu.memory_total_bytes or (host_bytes if is_unified(gpu.name) else None)
    if not total:
        raise DoesNotFitError(
            f"The driver does not tell how much memory GPU {gpu.index} ({gpu.name}) has.",
            "Give it by hand: gptoss-tui plan --gpu NAME --gpu-memory-mib MIB.",
        )
    known = gpu.memory_reserved_bytes
    card = card_named(gpu.name)
    return PlanGpu(
        name=gpu.name,
        memory_total_bytes=total,
        # Old drivers do not tell the capability either, and the name does.
        compute_capability=gpu.compute_capability or (card.compute_capability if card else None),
        memory_used_bytes=gpu.memory_used_bytes or 0,
        memory_reserved_bytes=reserved_bytes(gpu.name, total) if known is None else known,
        reserved_guessed=known is None and is_guessed(gpu.name),
        index=gpu.index,
        uuid=gpu.uuid,
    )


def named_gpus(report: BoxReport, ids: tuple[str, ...]) -> tuple[Gpu, ...]:
    """The GPUs with these indices or UUIDs.

    Raises `UsageError` for one that is not there, `DoesNotFitError` for one that cannot be used.
    """
    by_id = {str(gpu.index): gpu for gpu in report.gpus}
    by_id |= {gpu.uuid: gpu for gpu in report.gpus if gpu.uuid}
    for wanted in ids:
        if wanted not in by_id:
            there = ", ".join(str(gpu.index) for gpu in report.gpus) or "none"
            raise UsageError(f"There is no GPU {wanted} on the box (there: {there}).")
    if len({by_id[wanted].index for wanted in ids}) < len(ids):
        raise UsageError("A GPU is named twice.")
    named = tuple(by_id[wanted] for wanted in ids)
    for gpu in named:
        if not gpu.usable:
            raise DoesNotFitError(
                f"No program can start on GPU {gpu.index} ({gpu.name}).", _CHECK_SAYS_WHY
            )
    return named


def free_gpus(report: BoxReport, taken: frozenset[str]) -> tuple[Gpu, ...]:
    """The whole GPUs on which nobody is; `taken` holds indices or UUIDs that running servers have."""
    return tuple(
        gpu
        for gpu in report.gpus
        if gpu_is_free(gpu, report) and not gpu.mig and not {str(gpu.index), gpu.uuid} & taken
    )


def choose(
    report: BoxReport,
    request: PlanRequest,
    ids: tuple[str, ...] = (),
    taken: frozenset[str] = frozenset(),
    image: str | None = None,
) -> tuple[tuple[Gpu, ...], Plan]:
    """GPUs and the plan for them: those of `ids`, else the fewest free ones that fit.

    `taken` holds indices or UUIDs that running servers have, `image` one that is not the engine's
    own. `request.gpus` is filled in here.
    When nothing fits, the plan of the largest number of GPUs says why. A GPU in MIG mode is never
    chosen. Raises `UsageError`, `DoesNotFitError`.
    """
    request = on_disk(request, report, image)
    if ids:
        gpus = named_gpus(report, ids)
        return gpus, recommend(_on(request, gpus, report))
    free = free_gpus(report, taken)
    if not free:
        raise _nothing_free(report)
    wanted = request.tensor_parallel_size
    sizes = tuple(size for size in ((wanted,) if wanted else (1, 2, 4, 8)) if size <= len(free))
    if not sizes:
        raise DoesNotFitError(
            f"{wanted} free GPUs are needed, and the box has {len(free)}.",
            "Choose a smaller --tensor-parallel-size.",
        )
    best: tuple[tuple[Gpu, ...], Plan] | None = None
    for gpus in (some for size in sizes for some in candidates(free, size)):
        made = recommend(_on(request, gpus, report))
        if best is None or _better(made, best[1]):
            best = gpus, made
        if made.verdict == "fits":
            break
    assert best is not None
    return best


def choose_for_users(
    report: BoxReport,
    request: PlanRequest,
    ids: tuple[str, ...] = (),
    taken: frozenset[str] = frozenset(),
    image: str | None = None,
) -> tuple[tuple[Gpu, ...], Plan]:
    """As `choose`; where nobody says how many users there are, for as many of the usual as fit.

    Tight is a fit too. So the same words give the same plan as the wizard's form, which begins with
    the usual number, and a card that holds fewer is still launched on. Raises as `choose` does.
    """
    if request.users is not None:
        return choose(report, request, ids, taken, image)
    usual = max(1, min(DEFAULT_USERS, request.max_num_seqs or DEFAULT_USERS))
    for users in range(usual, 0, -1):
        asked = msgspec.structs.replace(request, users=users)
        gpus, made = choose(report, asked, ids, taken, image)
        if made.serves or made.verdict == "unsupported":
            break
    if not made.serves or users == usual:
        return gpus, made
    note = f"No number of users is given, and {usual} do not fit at once: planned for {users}."
    return gpus, _with(made, note)


def noted(
    made: Plan,
    meant: Release,
    report: BoxReport | None = None,
    weights_dir: str | None = None,
    *,
    release_told: bool = False,
) -> Plan:
    """The plan with a warning for each thing that its launch on this box has to fetch and cannot.

    Before them stands that the release is a guess, unless it is told elsewhere (`release_told`).
    """
    lacking = out_of_reach(report, made.request, meant.image, weights_dir) if report else ()
    return _with(made, "" if release_told else meant.note, *lacking)


def _with(made: Plan, *notes: str) -> Plan:
    """Empty notes are none."""
    return msgspec.structs.replace(made, warnings=(*filter(None, notes), *made.warnings))


def candidates(free: tuple[Gpu, ...], size: int) -> Iterator[tuple[Gpu, ...]]:
    """Sets of `size` GPUs worth a try: of one kind each, in the box's order; then mixed ones.

    Mixed are those with the most memory: the smallest of a set decides for all of it.
    """
    kinds: dict[tuple[str, int], list[Gpu]] = {}
    for gpu in free:
        kinds.setdefault((gpu.name, gpu.memory_total_bytes or 0), []).append(gpu)
    alike = [tuple(some[:size]) for some in kinds.values() if len(some) >= size]
    yield from alike
    largest = sorted(free, key=lambda gpu: -(gpu.memory_total_bytes or 0))[:size]
    mixed = tuple(sorted(largest, key=lambda gpu: gpu.index))
    if len(mixed) == size and len({(gpu.name, gpu.memory_total_bytes) for gpu in mixed}) > 1:
        yield mixed


_RANK = {"fits": 0, "tight": 1, "does_not_fit": 2, "unsupported": 3}


def _better(made: Plan, best: Plan) -> bool:
    """More GPUs at no worse verdict say more of why it does not fit; a tight few beat a tight many."""
    if _RANK[made.verdict] != _RANK[best.verdict]:
        return _RANK[made.verdict] < _RANK[best.verdict]
    return made.verdict == "does_not_fit" and (
        (made.gpus_used, made.kv_cache.tokens) >= (best.gpus_used, best.kv_cache.tokens)
    )


def _nothing_free(report: BoxReport) -> DoesNotFitError:
    sliced = [gpu for gpu in report.gpus if gpu.mig]
    if sliced and len(sliced) == len(report.gpus):
        first = sliced[0]
        return DoesNotFitError(MIG_SENTENCE.format(index=first.index, name=first.name), MIG_STEP)
    if not report.gpus:
        return DoesNotFitError("The box has no GPU.", "See what `gptoss-tui check BOX` says of it.")
    if not any(gpu.usable for gpu in report.gpus):
        return DoesNotFitError("No program can start on any GPU of the box.", _CHECK_SAYS_WHY)
    return DoesNotFitError(
        "No GPU of the box is free.",
        "Stop what runs on them, or name GPUs (--gpu-ids) to share one on purpose.",
    )


def on_disk(request: PlanRequest, report: BoxReport, image: str | None = None) -> PlanRequest:
    """The request with what the box's disks hold already, and how much room they have.

    `image` is one that is not the engine's own.
    """
    model = model_named(request.model)
    name = model.bf16_name if request.checkpoint == "bf16" else model.name
    engine = ENGINES.get(request.engine)
    image = image or (_image(engine, request, report) if engine else None)
    # What the Hugging Face cache holds is of no use to an engine with a store of its own.
    ours = engine is not None and engine.fetches == "at_start"
    weights, images = _disk(report, "weights"), _disk(report, "docker")
    apart = weights is not None and images is not None and not _same(weights, images)
    room = weights or images
    return msgspec.structs.replace(
        request,
        cached_bytes=sum(cached.bytes for cached in report.cached if ours and cached.model == name),
        image_there=report.docker is not None and image in report.docker.images,
        disk_free_bytes=room.free_bytes if room else None,
        image_disk_free_bytes=images.free_bytes if apart and images else None,
    )


def _image(engine: Engine, request: PlanRequest, report: BoxReport) -> str | None:
    """The image that a launch takes by itself; None where this driver has none."""
    try:
        return engine.image(request.engine_version, cuda_of(report.driver_version))
    except (UsageError, PlanInputError):
        return None


def _disk(report: BoxReport, role: str) -> Disk | None:
    """The disk of that role, where its room is known."""
    known = (disk for disk in report.disks if disk.role == role and disk.free_bytes is not None)
    return next(known, None)


def _same(one: Disk, other: Disk) -> bool:
    """Two looks at one file system: the same size, and (as it fills meanwhile) nearly the same room."""
    return (
        one.total_bytes == other.total_bytes
        and abs((one.free_bytes or 0) - (other.free_bytes or 0)) < _A_LITTLE
    )


def taken_gpus(running: Iterable[Instance]) -> frozenset[str]:
    """The GPUs (index or UUID) that running servers have."""
    return frozenset(
        gpu for instance in running if not instance.has_ended for gpu in instance.gpu_ids
    )


def spare(
    report: BoxReport, chosen: tuple[Gpu, ...], taken: frozenset[str] = frozenset()
) -> tuple[PlanGpu, ...]:
    """The free GPUs of the box that were not chosen."""
    ours = {gpu.index for gpu in chosen}
    return tuple(
        plan_gpu(gpu, report.memory_total_bytes)
        for gpu in free_gpus(report, taken)
        if gpu.index not in ours and gpu.memory_total_bytes
    )


def _on(request: PlanRequest, gpus: tuple[Gpu, ...], report: BoxReport) -> PlanRequest:
    host = report.memory_total_bytes
    return msgspec.structs.replace(request, gpus=tuple(plan_gpu(gpu, host) for gpu in gpus))
