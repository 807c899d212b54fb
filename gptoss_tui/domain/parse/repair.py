"""What the survey script and Docker say before a repair, as a `Survey`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from gptoss_tui.domain.launch import LABEL_SPEC, is_set_aside
from gptoss_tui.domain.parse.numbers import whole
from gptoss_tui.domain.render import spec_from_label
from gptoss_tui.domain.repair.types import (
    CacheFile,
    CacheModel,
    RunningContainer,
    StoppedContainer,
    Survey,
)
from gptoss_tui.errors import StateError
from gptoss_tui.text import clean_line


def cache(text: str) -> Survey:
    """Read what `gptoss-repair-survey` printed. Never raises; odd lines are left out."""
    folder: str | None = None
    files: list[CacheFile] = []
    models: list[CacheModel] = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        size, _, path = rest.partition(" ")
        kib = whole(size)
        if word == "cache":
            folder = rest
        elif kib is None or not path:
            continue
        elif word == "model":
            models.append(CacheModel(model=_model(path), path=path, bytes=kib * 1024))
        elif word in ("incomplete", "unreferenced"):
            files.append(CacheFile(kind=cast("Any", word), path=path, bytes=kib * 1024))
    return Survey(cache_dir=folder, files=tuple(files), models=tuple(models))


def _model(path: str) -> str:
    """`…/models--openai--gpt-oss-20b` as "openai/gpt-oss-20b"."""
    return path.rpartition("/")[2].removeprefix("models--").replace("--", "/", 1)


def with_containers(
    survey: Survey,
    running: Iterable[Mapping[str, Any]],
    stopped: Iterable[Mapping[str, Any]],
    info: Mapping[str, Any],
) -> Survey:
    """Completed with `GET /containers/json` (running, then all that are stopped) and `/info`."""
    return msgspec.structs.replace(
        survey,
        running=tuple(map(_running, running)),
        stopped=tuple(
            StoppedContainer(
                id=str(each.get("Id")), name=_name(each), status=str(each.get("Status") or "")
            )
            for each in stopped
            if LABEL_SPEC in (each.get("Labels") or {})
            and _state(each) in ("exited", "dead")
            and not is_set_aside(_name(each))
        ),
        keeps_containers=bool(info.get("LiveRestoreEnabled")),
    )


def _state(container: Mapping[str, Any]) -> str:
    return str(container.get("State") or "").lower()


def _running(container: Mapping[str, Any]) -> RunningContainer:
    label = (container.get("Labels") or {}).get(LABEL_SPEC)
    model: str | None = None
    if isinstance(label, str):
        try:
            model = spec_from_label(label).model
        except StateError:
            model = None
    mounts = (str(mount.get("Source") or "") for mount in container.get("Mounts") or ())
    return RunningContainer(
        id=str(container.get("Id")),
        name=_name(container),
        managed=isinstance(label, str),
        model=model,
        mounts=tuple(source for source in mounts if source.startswith("/")),
    )


def _name(container: Mapping[str, Any]) -> str:
    names = container.get("Names") or []
    return clean_line(str(names[0]).lstrip("/") if names else str(container.get("Id") or "?")[:12])
