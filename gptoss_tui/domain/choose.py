"""Which GPUs of a box to use: free ones, as few as hold what was asked for."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gptoss_tui.domain.engines import ENGINES
from gptoss_tui.domain.findings import gpu_is_free
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.plan import (
    Plan,
    PlanGpu,
    PlanRequest,
    model_named,
    recommend,
    reserved_bytes,
)
from gptoss_tui.errors import DoesNotFitError, UsageError


def plan_gpu(gpu: Gpu) -> PlanGpu:
    """A box's GPU as the planner takes it. Raises `DoesNotFitError` when its memory is unknown."""
    if not gpu.memory_total_bytes:
        raise DoesNotFitError(
            f"The driver does not tell how much memory GPU {gpu.index} ({gpu.name}) has.",
            "Give it by hand: gptoss-tui plan --gpu NAME --gpu-memory-mib MIB.",
        )
    return PlanGpu(
        name=gpu.name,
        memory_total_bytes=gpu.memory_total_bytes,
        compute_capability=gpu.compute_capability,
        memory_used_bytes=gpu.memory_used_bytes or 0,
        memory_reserved_bytes=gpu.memory_reserved_bytes
        if gpu.memory_reserved_bytes is not None
        else reserved_bytes(gpu.name, gpu.memory_total_bytes),
        index=gpu.index,
        uuid=gpu.uuid,
    )


def named_gpus(report: BoxReport, ids: tuple[str, ...]) -> tuple[Gpu, ...]:
    """The GPUs with these indices or UUIDs. Raises `UsageError` for one that is not there."""
    by_id = {str(gpu.index): gpu for gpu in report.gpus}
    by_id |= {gpu.uuid: gpu for gpu in report.gpus if gpu.uuid}
    for wanted in ids:
        if wanted not in by_id:
            there = ", ".join(str(gpu.index) for gpu in report.gpus) or "none"
            raise UsageError(f"There is no GPU {wanted} on the box (there: {there}).")
    if len({by_id[wanted].index for wanted in ids}) < len(ids):
        raise UsageError("A GPU is named twice.")
    return tuple(by_id[wanted] for wanted in ids)


def choose(
    report: BoxReport,
    request: PlanRequest,
    ids: tuple[str, ...] = (),
    taken: frozenset[str] = frozenset(),
) -> tuple[tuple[Gpu, ...], Plan]:
    """GPUs and the plan for them: those of `ids`, else the fewest free ones that fit.

    `taken` holds indices or UUIDs that running servers have. `request.gpus` is filled in here.
    When nothing fits, the plan of the largest number of GPUs says why. Raises `UsageError`,
    `DoesNotFitError`.
    """
    request = on_disk(request, report)
    if ids:
        gpus = named_gpus(report, ids)
        return gpus, recommend(_on(request, gpus))
    free = tuple(
        gpu for gpu in report.gpus if gpu_is_free(gpu) and not {str(gpu.index), gpu.uuid} & taken
    )
    if not free:
        raise DoesNotFitError(
            "No GPU of the box is free." if report.gpus else "The box has no GPU.",
            "Stop what runs on them, or name GPUs with --gpu-ids to share one on purpose.",
        )
    sizes = (request.tensor_parallel_size,) if request.tensor_parallel_size else (1, 2, 4, 8)
    best: tuple[tuple[Gpu, ...], Plan] | None = None
    for size in sizes:
        if size > len(free):
            break
        best = free[:size], recommend(_on(request, free[:size]))
        if best[1].verdict == "fits":
            return best
    if best is None:
        raise DoesNotFitError(
            f"{sizes[0]} free GPUs are needed, and the box has {len(free)}.",
            "Choose a smaller --tensor-parallel-size.",
        )
    return best


def on_disk(request: PlanRequest, report: BoxReport) -> PlanRequest:
    """The request with what the box's disk holds already, and how much room it has."""
    name = model_named(request.model).name
    engine = ENGINES.get(request.engine)
    image = engine.image(request.engine_version) if engine else None
    rooms = [disk.free_bytes for disk in report.disks if disk.free_bytes is not None]
    return msgspec.structs.replace(
        request,
        cached_bytes=sum(cached.bytes for cached in report.cached if cached.model == name),
        image_there=report.docker is not None and image in report.docker.images,
        disk_free_bytes=min(rooms, default=None),
    )


def taken_gpus(running: Iterable[Instance]) -> frozenset[str]:
    """The GPUs (index or UUID) that running servers have."""
    return frozenset(
        gpu
        for instance in running
        if instance.state not in ("exited", "failed")
        for gpu in instance.gpu_ids
    )


def spare(
    report: BoxReport, chosen: tuple[Gpu, ...], taken: frozenset[str] = frozenset()
) -> tuple[PlanGpu, ...]:
    """The free GPUs of the box that were not chosen."""
    ours = {gpu.index for gpu in chosen}
    return tuple(
        plan_gpu(gpu)
        for gpu in report.gpus
        if gpu.index not in ours
        and gpu.memory_total_bytes
        and gpu_is_free(gpu)
        and not {str(gpu.index), gpu.uuid} & taken
    )


def _on(request: PlanRequest, gpus: tuple[Gpu, ...]) -> PlanRequest:
    return msgspec.structs.replace(request, gpus=tuple(plan_gpu(gpu) for gpu in gpus))
