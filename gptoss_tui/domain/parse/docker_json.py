"""What the Docker Engine API answers: containers as instances, and its times."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gptoss_tui.domain.engines.registry import engine_of
from gptoss_tui.domain.instance import Instance, InstanceState
from gptoss_tui.domain.launch import LABEL_LAUNCH, LABEL_SPEC, LaunchSpec
from gptoss_tui.domain.parse.numbers import moment
from gptoss_tui.domain.render import spec_from_label
from gptoss_tui.errors import StateError
from gptoss_tui.text import clean_line

_STAMP = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ?")


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time with any number of decimals, as UTC; None for an odd or a zero one."""
    match = _STAMP.match((text or "") + " ")
    if not match or match[1].startswith("0001"):
        return None
    micro = (match[2] or ".0")[1:7].ljust(6, "0")
    zone = "+00:00" if match[3] == "Z" else match[3]
    try:
        return datetime.fromisoformat(f"{match[1]}.{micro}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def instances_from_containers(listed: Iterable[Mapping[str, Any]]) -> tuple[Instance, ...]:
    """The inference servers among `GET /containers/json?all=1`; other containers are left out.

    A label of ours that cannot be read makes its container a foreign one, with the reason.
    """
    return tuple(filter(None, map(_instance, listed)))


def _instance(container: Mapping[str, Any]) -> Instance | None:
    labels = container.get("Labels") or {}
    image = str(container.get("Image") or "")
    command = _words(str(container.get("Command") or ""))
    spec, problem = _spec(labels.get(LABEL_SPEC))
    engine = spec.engine if spec else _engine_name(image, command)
    if engine is None and LABEL_SPEC not in labels:
        return None
    host, port = _published(container.get("Ports") or [], spec)
    state, code = _state(container)
    return Instance(
        name=_name(container),
        engine=engine,
        model=spec.served_name if spec else _model(image, command),
        host=host,
        port=port,
        managed=spec is not None,
        state=state,
        detail=problem or str(container.get("Status") or ""),
        container_id=str(container.get("Id") or "") or None,
        image=image,
        gpu_ids=spec.gpu_ids if spec else (),
        started_at=_created(container),
        exit_code=code,
        launch_id=labels.get(LABEL_LAUNCH) or (spec.launch_id if spec else None),
        spec=spec,
        needs_api_key=spec.needs_api_key if spec else False,
    )


def _spec(label: object) -> tuple[LaunchSpec | None, str]:
    if not isinstance(label, str):
        return None, ""
    try:
        return spec_from_label(label), ""
    except StateError as error:
        return None, error.message


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError:
        return tuple(command.split())


def _engine_name(image: str, command: tuple[str, ...]) -> str | None:
    engine = engine_of(image, command)
    return engine.name if engine else None


def _model(image: str, command: tuple[str, ...]) -> str | None:
    engine = engine_of(image, command)
    return engine.served_model(command) if engine else None


def _name(container: Mapping[str, Any]) -> str:
    """As it is shown and asked for again: one clean line."""
    names = container.get("Names") or []
    return clean_line(str(names[0]).lstrip("/") if names else str(container.get("Id") or "?")[:12])


def _published(
    ports: Iterable[Mapping[str, Any]], spec: LaunchSpec | None
) -> tuple[str, int | None]:
    """Where the server listens as seen from the box; None where nothing is published."""
    published = [port for port in ports if port.get("PublicPort") and port.get("Type") == "tcp"]
    wanted = [port for port in published if spec and port["PublicPort"] == spec.port] or published
    if not wanted:
        return (_dialled(spec.bind), spec.port) if spec else ("127.0.0.1", None)
    return _dialled(str(wanted[0].get("IP") or "")), int(wanted[0]["PublicPort"])


def _dialled(bound: str) -> str:
    return "127.0.0.1" if bound in ("", "0.0.0.0", "::", "[::]") else bound  # noqa: S104


_EXIT = re.compile(r"Exited \((\d+)\)")


def _state(container: Mapping[str, Any]) -> tuple[InstanceState, int | None]:
    """Docker's state in our words; a running one is "unknown" until its health was asked."""
    state = str(container.get("State") or "").lower()
    match = _EXIT.search(str(container.get("Status") or ""))
    code = int(match[1]) if match else None
    if state in ("exited", "dead", "removing"):
        return ("failed" if code else "exited"), code
    if state in ("created", "restarting"):
        return "loading", code
    return "unknown", code


def _created(container: Mapping[str, Any]) -> datetime | None:
    created = container.get("Created")
    return moment(created) if isinstance(created, int | float) and created > 0 else None
