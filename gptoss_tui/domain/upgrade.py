"""Another version in the place of a server of ours: what changes, planned anew, and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from gptoss_tui.domain import choose
from gptoss_tui.domain.drivers import cuda_of
from gptoss_tui.domain.engines import flags
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.engines.release import Release, is_older, release_of
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec, set_aside
from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.disk import checkpoint_bytes
from gptoss_tui.domain.plan.predict import prediction
from gptoss_tui.domain.plan.types import Plan
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.replan import asked_for
from gptoss_tui.errors import UsageError

# How nvidia-smi names the processes of the engines ("VLLM::EngineCore", "sglang::scheduler").
_ENGINES = ("vllm", "sglang", "ollama", "python")
# What the launch helper says of a server that it has started again (remote/scripts/replace.sh).
_RESTORED = ("the server ", " as it was before, started again")
# Behind the name of the old server.
ROLL_BACK = (
    "serves until the image is there. It is removed once the new one has answered, and started "
    "again if that does not come about."
)
_KEPT = "Its flags stay as they are; only for vLLM are they planned anew."


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """What shall take the place of `old`; no plan where the engine's flags stay as they are.

    `told` is whether the version was named, or stands in the image's tag.
    """

    old: LaunchSpec
    spec: LaunchSpec
    plan: Plan | None = None
    told: bool = True

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs, a line each."""
        return tuple(_changes(self))

    @property
    def warning(self) -> str:
        """A sentence where nothing is known of the new version; else nothing."""
        return versions.beyond(self.spec.engine_version, self.spec.engine)

    @property
    def same(self) -> str:
        """A sentence where the new server would be the old one once more; else nothing."""
        old, new = self.old, self.spec
        if (old.engine_version, old.image) != (new.engine_version, new.image) or flags.changes(
            old.arguments, new.arguments
        ):
            return ""
        return f"{old.name} runs {old.engine_version} with these flags already."


def upgraded(
    old: LaunchSpec,
    report: BoxReport,
    *,
    version: str | None,
    launch_id: str,
    created_by: str,
    created_at: datetime,
    image: str | None = None,
    corrections: tuple[tuple[str, float], ...] = (),
    speeds: tuple[tuple[str, float, float], ...] = (),
) -> Upgrade:
    """`old` with what `version` changes, planned as if `old` had left the box.

    `version` and `image` are as `release_of` reads them, one of them at least. Raises `UsageError`
    where there is no such image, a version that cannot serve GPT-OSS, or flags that cannot be
    planned anew.
    """
    if not ((version or "").strip() or image):
        raise UsageError("No version is named.", f"Write it as {old.engine_version}.")
    engine = engine_named(old.engine)
    meant = release_of(engine, version, image)
    versions.parse(meant.version, engine.name)
    spec = msgspec.structs.replace(
        old,
        launch_id=launch_id,
        engine_version=meant.version,
        image=meant.image or engine.image(meant.version, cuda_of(report.driver_version)),
        created_by=created_by,
        created_at=created_at.isoformat(timespec="seconds"),
        planned=None,
    )
    if old.engine != "vllm":
        return Upgrade(old=old, spec=spec, told=meant.told)
    request = msgspec.structs.replace(
        asked_for(old), engine_version=meant.version, corrections=corrections, speeds=speeds
    )
    _, plan = choose.choose(without_server(report, old), request, old.gpu_ids)
    planned = msgspec.structs.replace(
        spec,
        arguments=plan.command[1:],
        weights_bytes=checkpoint_bytes(plan.request),
        planned=prediction(plan),
    )
    return Upgrade(old=old, spec=planned, plan=plan, told=meant.told)


def moved_on(old: Instance, now: Instance | None) -> str:
    """Why the server that an upgrade was planned for is not the one there now; else nothing.

    Somebody else may have upgraded, stopped or launched meanwhile: their server is not replaced
    by a plan that was made for another one.
    """
    if now is None:
        return f"{old.name} is not on the box any more."
    if now.launch_id != old.launch_id:
        by = f" by {now.spec.created_by}" if now.spec and now.spec.created_by else ""
        return f"{old.name} was replaced meanwhile{by}: look at what runs now, and plan anew."
    return ""


def rolled_back(progress: LaunchProgress) -> str:
    """The name of the old server, where a launch gave the place back to it; else nothing."""
    return next((name for left in progress.leftovers if (name := _restored(left))), "")


def remains(progress: LaunchProgress) -> tuple[str, ...]:
    """What is left of a launch besides the old server, of which `fate` tells."""
    return tuple(left for left in progress.leftovers if not _restored(left))


def _restored(left: str) -> str:
    begin, end = _RESTORED
    if not (left.startswith(begin) and left.endswith(end)):
        return ""
    return left.removeprefix(begin).removesuffix(end)


def fate(progress: LaunchProgress) -> str:
    """What became of the server whose place a launch that failed was to take."""
    if name := rolled_back(progress):
        return f"Rolled back: {name} was started again as it was before."
    replaced = progress.replaces
    told = any(left.startswith(f"{_RESTORED[0]}{replaced} ") for left in progress.leftovers)
    if replaced is None or told:  # what is left tells that it could not be started again
        return ""
    if progress.container_id is not None:
        return (
            f"{replaced} was stopped for it; its container may stand there as "
            f"{set_aside(replaced, progress.launch_id)}. "
            "`docker rename` and `docker start` on the box bring it back."
        )
    return f"{replaced} was not touched: it serves as before."


def _changes(made: Upgrade) -> Iterator[str]:
    old, new = made.old, made.spec
    yield _differs("version:", old.engine_version, new.engine_version)
    yield _differs("image:", old.image, new.image)
    if note := Release(new.engine_version, told=made.told).note:
        yield note
    if is_older(new.engine_version, old.engine_version):
        yield "It is older than what runs."
    different = flags.changes(old.arguments, new.arguments)
    yield from different
    if made.plan is None:
        yield _KEPT
    elif not different:
        yield "Its flags stay as they are."


def _differs(what: str, before: str, after: str) -> str:
    return f"{what} {before}, as it is" if before == after else f"{what} {before} → {after}"


# --- the box without it ---------------------------------------------------------------------------


def without_server(report: BoxReport, spec: LaunchSpec) -> BoxReport:
    """The report with the memory given back that `spec`'s server holds.

    An inference server on its GPUs is taken for this one, since ours have their GPUs to
    themselves; other processes keep what they hold.
    """
    mine = set(spec.gpu_ids)
    gpus = tuple(_emptied(gpu) if {gpu.uuid, str(gpu.index)} & mine else gpu for gpu in report.gpus)
    return msgspec.structs.replace(report, gpus=gpus)


def _emptied(gpu: Gpu) -> Gpu:
    others = tuple(
        process
        for process in gpu.processes
        if not any(name in process.name.lower() for name in _ENGINES)
    )
    held = sum(process.memory_bytes or 0 for process in others)
    return msgspec.structs.replace(gpu, processes=others, memory_used_bytes=held)
