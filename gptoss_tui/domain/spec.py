"""From a plan and the user's choices to a launch spec."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from datetime import datetime

from gptoss_tui.domain.confinement import let_out
from gptoss_tui.domain.drivers import cuda_of
from gptoss_tui.domain.engines.base import Engine
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.gpu_access import gpu_access
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import GpuAccess, LaunchSpec
from gptoss_tui.domain.plan.disk import checkpoint_bytes
from gptoss_tui.domain.plan.predict import prediction
from gptoss_tui.domain.plan.types import Plan
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
    access: GpuAccess | None = None,
    weights_dir: str | None = None,
    vocab_dir: str | None = None,
    others: Iterable[Instance] = (),
) -> LaunchSpec:
    """The spec that launches `plan` on `gpus` of the box.

    Name, port and the way to the GPUs (`access`) are chosen when not given. `weights_dir` and
    `vocab_dir` are folders of the box. Raises `UsageError` for values that Docker would refuse or
    that would serve the public without a key, `ConflictError` for what is taken.
    """
    request = plan.request
    engine = engine_named(request.engine)
    running = tuple(others)
    _check_public(engine, request.engine_version, bind, needs_api_key)
    model = plan.command[0]
    way, devices = gpu_access(report.docker, gpus, access)
    spec = LaunchSpec(
        launch_id=launch_id,
        name=checked_name(name or _free_name(model, running), running),
        engine=engine.name,
        engine_version=request.engine_version,
        image=_checked_image(
            image or engine.image(request.engine_version, cuda_of(report.driver_version))
        ),
        model=model,
        served_name=model,
        gpu_ids=tuple(gpu.uuid or str(gpu.index) for gpu in gpus),
        gpu_access=way,
        cdi_devices=devices,
        port=checked_port(port, report, running),
        bind=bind,
        arguments=plan.command[1:],
        environment=engine.settings(request),
        cache_dir=None if weights_dir else engine.cache_dir(report),
        weights_dir=_checked_folder(weights_dir),
        vocab_dir=_checked_folder(vocab_dir),
        weights_bytes=checkpoint_bytes(request),
        has_token=has_token,
        needs_api_key=needs_api_key,
        created_by=created_by,
        created_at=created_at.isoformat(timespec="seconds"),
        planned=prediction(plan),
    )
    _check_gpus(running, gpus)
    return let_out(spec, report.docker)


def _check_public(engine: Engine, version: str, bind: str, needs_api_key: bool) -> None:
    """Who may use it: this box alone, or whoever has the key."""
    if needs_api_key and not engine.takes_key:
        raise UsageError(
            f"{engine.title} takes no API key.",
            "Leave the key out (it is published on 127.0.0.1 alone), or take vLLM or SGLang.",
        )
    if bind in ("127.0.0.1", "localhost", "::1") or needs_api_key:
        return
    if not engine.takes_key:
        raise UsageError(
            f"{engine.title} takes no API key: published on {bind}, anybody could use the GPU.",
            "Stay on 127.0.0.1 and use `gptoss-tui forward`, or take vLLM or SGLang with a key.",
        )
    routes = ", ".join(engine.open_routes(version))
    raise UsageError(
        f"Publishing on {bind} needs an API key; without one anybody could use the GPU.",
        f"Give --api-key-file, or stay on 127.0.0.1. Even with a key these stay open: {routes}.",
    )


def _checked_folder(path: str | None) -> str | None:
    """A folder of the box as Docker mounts it: absolute, and without a colon."""
    if path is None or (path.startswith("/") and ":" not in path):
        return path.rstrip("/") or "/" if path else None
    raise UsageError(
        f"{path!r} cannot be mounted.", "Write the whole path on the box, from /, without a colon."
    )


def _free_name(model: str, running: tuple[Instance, ...]) -> str:
    base = model.rpartition("/")[2].replace(":", "-") or "gpt-oss"
    taken = {instance.name for instance in running}
    return base if base not in taken else next_name(base, taken)


def next_name(base: str, taken: Container[str | None]) -> str:
    """`base` with the first number, from 2 on, under which nothing runs."""
    return next(f"{base}-{n}" for n in range(2, 10_000) if f"{base}-{n}" not in taken)


def checked_name(name: str, running: tuple[Instance, ...]) -> str:
    """Raises `UsageError` for what is no container name, `ConflictError` for one that is taken."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no container name.",
            "Use letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
        )
    if any(instance.name == name for instance in running):
        raise ConflictError(f"There is a server {name} already.", "Choose another name (--name).")
    return name


def _checked_image(image: str) -> str:
    if not _IMAGE.fullmatch(image):
        raise UsageError(f"{image!r} is no image name.", "Write it as repository:tag.")
    return image


def checked_port(port: int | None, report: BoxReport, running: tuple[Instance, ...]) -> int:
    """That port, or the first free one. Raises `UsageError`, and `ConflictError` where it is taken."""
    taken = {*report.listening_ports, *(i.port for i in running if i.port is not None)}
    if port is None:
        return next(p for p in range(FIRST_PORT, 65536) if p not in taken)
    if not 0 < port < 65536:
        raise UsageError(f"{port} is no port.", "Ports go from 1 to 65535.")
    if port in taken:
        raise ConflictError(f"Port {port} of the box is taken.", "Choose another port (--port).")
    return port


def _check_gpus(running: tuple[Instance, ...], chosen: tuple[Gpu, ...]) -> None:
    """No GPU of ours twice. An index in an old spec counts for the GPU with that index."""
    for instance in running:
        if not instance.managed or instance.has_ended:
            continue
        for gpu in chosen:
            if {gpu.uuid, str(gpu.index)} & set(instance.gpu_ids):
                raise ConflictError(
                    f"GPU {gpu.index} is taken by {instance.name}.",
                    "Choose other GPUs (--gpu-ids), or stop that server.",
                )
