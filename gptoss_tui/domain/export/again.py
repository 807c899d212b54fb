"""From an exported spec to one that can be launched on the box there is now."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gptoss_tui.domain import choose
from gptoss_tui.domain.confinement import let_out
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.gpu_access import gpu_access
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.spec import checked_name, checked_port
from gptoss_tui.errors import ConflictError, DoesNotFitError, UsageError


def placed(
    spec: LaunchSpec,
    *,
    report: BoxReport,
    others: tuple[Instance, ...],
    gpu_ids: tuple[str, ...] = (),
    name: str | None = None,
    port: int | None = None,
) -> LaunchSpec:
    """`spec` on this box: its own GPUs where the box has them, else as many that are free.

    Raises `ConflictError` for a name, port or GPU that is taken, `DoesNotFitError` where too few
    GPUs are free.
    """
    gpus = _gpus(spec, report, others, gpu_ids)
    way, devices = gpu_access(report.docker, gpus)
    engine = engine_named(spec.engine)
    moved = msgspec.structs.replace(
        spec,
        name=checked_name(name or spec.name, others),
        port=checked_port(port or spec.port, report, others),
        gpu_ids=tuple(gpu.uuid or str(gpu.index) for gpu in gpus),
        gpu_access=way,
        cdi_devices=devices,
        cache_dir=engine.cache_dir(report) if spec.cache_dir else None,
    )
    return let_out(moved, report.docker)


def _gpus(
    spec: LaunchSpec, report: BoxReport, others: tuple[Instance, ...], asked: tuple[str, ...]
) -> tuple[Gpu, ...]:
    taken = choose.taken_gpus(others)
    if asked:
        found = choose.named_gpus(report, asked)
    else:
        mine = set(spec.gpu_ids)
        found = tuple(gpu for gpu in report.gpus if {gpu.uuid, str(gpu.index)} & mine)
        if len(found) != len(mine):
            found = choose.free_gpus(report, taken)[: len(mine)]
    if len(found) != len(spec.gpu_ids):
        raise DoesNotFitError(
            f"{spec.name} takes {len(spec.gpu_ids)} GPUs; {len(found)} can be had.",
            "Stop what runs on the others, or plan anew with `gptoss-tui launch`.",
        )
    for gpu in found:
        if _ids(gpu) & taken:
            raise ConflictError(f"GPU {gpu.index} is taken.", "Choose other GPUs by --gpu-ids.")
    return found


def _ids(gpu: Gpu) -> set[str]:
    return {str(gpu.index), *([gpu.uuid] if gpu.uuid else [])}


def stamped(
    spec: LaunchSpec, secrets: Secrets, *, launch_id: str, created_by: str, created_at: datetime
) -> LaunchSpec:
    """A launch of its own, with the secrets given now.

    Raises `UsageError` where a server that had an API key would come up without one.
    """
    if spec.needs_api_key and secrets.api_key is None:
        raise UsageError(
            f"{spec.name} was exported with an API key, and the file does not hold it.",
            "Give the key: --api-key-file FILE.",
        )
    return msgspec.structs.replace(
        spec,
        launch_id=launch_id,
        created_by=created_by,
        created_at=created_at.isoformat(timespec="seconds"),
        needs_api_key=secrets.api_key is not None,
        has_token=secrets.hf_token is not None,
    )
