"""A failed launch once more, with the doctor's change in its spec."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from gptoss_tui.domain.doctor.diagnosis import Change
from gptoss_tui.domain.drivers import cuda_of
from gptoss_tui.domain.engines.flags import without
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.spec import next_name
from gptoss_tui.errors import UsageError

_OURS = ("--image", "--engine-version", "--port", "--name")  # flags of a launch, not of an engine


def changed(
    spec: LaunchSpec,
    change: Change,
    *,
    launch_id: str,
    created_at: datetime,
    servers: Iterable[Instance] = (),
    ports: Iterable[int] = (),
    driver_version: str | None = None,
) -> LaunchSpec:
    """`spec` with the change, under a new id. `ports` are taken, as are those of `servers`.

    `driver_version` is the box's: by it the image of another release is taken. Raises `UsageError`
    where the change is none of the spec's.
    """
    words = dict(zip(change.flags[::2], change.flags[1::2], strict=True))
    mine = {flag: value for flag, value in words.items() if flag not in _OURS}
    if change.kind == "toolkit" or (mine and spec.engine != "vllm"):
        raise UsageError(
            "This change cannot be made in the launch itself.", "See the doctor's fix for it."
        )
    new = msgspec.structs.replace(
        spec,
        launch_id=launch_id,
        created_at=created_at.isoformat(timespec="seconds"),
        has_token=False,  # nobody has kept it, and GPT-OSS needs none
    )
    others = [one for one in servers if one.launch_id != spec.launch_id]
    if change.kind == "port":
        taken = {spec.port, *ports, *(one.port for one in others)}
        new = msgspec.structs.replace(new, port=_next(spec.port, taken))
    elif change.kind == "name":
        new = msgspec.structs.replace(new, name=next_name(spec.name, {one.name for one in others}))
    return _with(new, words, mine, change.drop, cuda_of(driver_version))


def _with(
    spec: LaunchSpec, words: dict[str, str], mine: dict[str, str], drop: tuple[str, ...], cuda: int
) -> LaunchSpec:
    if version := words.get("--engine-version"):
        image = engine_named(spec.engine).image(version, cuda)
        spec = msgspec.structs.replace(spec, engine_version=version, image=image, planned=None)
    if other := words.get("--image"):
        spec = msgspec.structs.replace(spec, image=other)
    gone = {*mine, *drop} - set(_OURS)
    if not gone:
        return spec
    # What the plan said of the memory holds for the old arguments only.
    kept = without(spec.arguments, gone)
    arguments = (*kept, *(word for pair in mine.items() for word in pair))
    return msgspec.structs.replace(spec, arguments=arguments, planned=None)


def _next(port: int, taken: set[int | None]) -> int:
    while port in taken:
        port = port + 1 if port < 65535 else 1024
    return port


def in_words(change: Change) -> str:
    """The change in a few words: what a key or a question says of it."""
    if change.kind == "port":
        return "another port, a free one"
    if change.kind == "name":
        return "another name, a free one"
    if change.kind == "toolkit":
        return "install the NVIDIA Container Toolkit"
    said = [" ".join(pair) for pair in zip(change.flags[::2], change.flags[1::2], strict=True)]
    return ", ".join([*said, *(f"without {flag}" for flag in change.drop)])
