"""From a plan and the user's choices to a launch spec."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from gptoss_tui.domain.engines import engine_named
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan import Plan, prediction
from gptoss_tui.domain.plan.disk import checkpoint_bytes
from gptoss_tui.errors import ConflictError, UsageError

# Docker's own rule for container names.
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:@-]*")
FIRST_PORT = 8000


def build_spec(
    *,
    plan: Plan,
    report: BoxReport,
    gpus: tuple[Gpu, ...],
    launch_id: str,
    created_by: str,
    created_at: datetime,
    name: str | None = None,
    port: int | None = None,
    image: str | None = None,
    bind: str = "127.0.0.1",
    has_token: bool = False,
    needs_api_key: bool = False,
    others: Iterable[Instance] = (),
) -> LaunchSpec:
    """The spec that launches `plan` on `gpus` of the box.

    Name and port are chosen when not given. Raises `UsageError` for values that Docker would
    refuse or that would serve the public without a key, `ConflictError` for what is taken.
    """
    engine = engine_named(plan.request.engine)
    running = tuple(others)
    if bind not in ("127.0.0.1", "localhost", "::1") and not needs_api_key:
        routes = ", ".join(engine.open_routes(plan.request.engine_version))
        raise UsageError(
            f"Publishing on {bind} needs an API key; without one anybody could use the GPU.",
            f"Give --api-key-file, or stay on 127.0.0.1. Even with a key these stay open: {routes}.",
        )
    model = plan.command[0]
    spec = LaunchSpec(
        launch_id=launch_id,
        name=_checked_name(name or _free_name(model, running), running),
        engine=engine.name,
        engine_version=plan.request.engine_version,
        image=_checked_image(image or engine.image(plan.request.engine_version)),
        model=model,
        served_name=model,
        gpu_ids=tuple(gpu.uuid or str(gpu.index) for gpu in gpus),
        port=_checked_port(port, report, running),
        bind=bind,
        arguments=plan.command[1:],
        cache_dir=report.cache_dir,
        weights_bytes=checkpoint_bytes(plan.request),
        has_token=has_token,
        needs_api_key=needs_api_key,
        created_by=created_by,
        created_at=created_at.isoformat(timespec="seconds"),
        planned=prediction(plan),
    )
    _check_gpus(running, gpus)
    return spec


def _free_name(model: str, running: tuple[Instance, ...]) -> str:
    base = model.rpartition("/")[2] or "gpt-oss"
    taken = {instance.name for instance in running}
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, 10_000) if f"{base}-{n}" not in taken)


def _checked_name(name: str, running: tuple[Instance, ...]) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no container name.",
            "Use letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
        )
    if any(instance.name == name for instance in running):
        raise ConflictError(f"There is a server {name} already.", "Choose another --name.")
    return name


def _checked_image(image: str) -> str:
    if not _IMAGE.fullmatch(image):
        raise UsageError(f"{image!r} is no image name.", "Write it as repository:tag.")
    return image


def _checked_port(port: int | None, report: BoxReport, running: tuple[Instance, ...]) -> int:
    taken = {*report.listening_ports, *(i.port for i in running if i.port is not None)}
    if port is None:
        return next(p for p in range(FIRST_PORT, 65536) if p not in taken)
    if not 0 < port < 65536:
        raise UsageError(f"{port} is no port.", "Ports go from 1 to 65535.")
    if port in taken:
        raise ConflictError(f"Port {port} of the box is taken.", "Choose another --port.")
    return port


def _check_gpus(running: tuple[Instance, ...], chosen: tuple[Gpu, ...]) -> None:
    """No GPU of ours twice. An index in an old spec counts for the GPU with that index."""
    for instance in running:
        if not instance.managed or instance.state in ("exited", "failed"):
            continue
        for gpu in chosen:
            if {gpu.uuid, str(gpu.index)} & set(instance.gpu_ids):
                raise ConflictError(
                    f"GPU {gpu.index} is taken by {instance.name}.",
                    "Choose other GPUs (--gpu-ids), or stop that server.",
                )
