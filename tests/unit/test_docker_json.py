"""What the Docker Engine answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gptoss_tui.domain.launch import LABEL_SPEC
from gptoss_tui.domain.parse.docker_json import (
    instances_from_containers,
    parse_time,
)
from gptoss_tui.domain.render import labels
from tests.unit.make import spec

OURS = spec(port=8003, gpu_ids=("GPU-a", "GPU-b"))


def _container(**changes: Any) -> dict[str, Any]:
    return {
        "Id": "f" * 64,
        "Names": ["/gpt-oss-20b"],
        "Image": OURS.image,
        "Command": "vllm serve openai/gpt-oss-20b --max-model-len 8192",
        "Created": 1767225600,
        "State": "running",
        "Status": "Up 2 hours",
        "Labels": labels(OURS),
        "Ports": [
            {"IP": "127.0.0.1", "PrivatePort": 8000, "PublicPort": 8003, "Type": "tcp"},
            {"PrivatePort": 9000, "Type": "tcp"},
        ],
    } | changes


def test_our_container_is_known_by_its_label() -> None:
    [found] = instances_from_containers([_container()])
    assert found.managed
    assert found.spec == OURS
    assert (found.name, found.engine, found.model) == ("gpt-oss-20b", "vllm", OURS.served_name)
    assert (found.host, found.port, found.gpu_ids) == ("127.0.0.1", 8003, OURS.gpu_ids)
    assert (found.launch_id, found.container_id) == (OURS.launch_id, "f" * 64)
    assert (found.state, found.detail) == ("unknown", "Up 2 hours")
    assert found.started_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_stopped_one_still_has_its_port_from_the_spec() -> None:
    [found] = instances_from_containers(
        [_container(State="exited", Status="Exited (137) 3 minutes ago", Ports=[])]
    )
    assert (found.state, found.exit_code, found.port) == ("failed", 137, 8003)


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        ("exited", "Exited (0) 2 days ago", "exited"),
        ("exited", "Exited (1) 2 days ago", "failed"),
        ("dead", "Dead", "exited"),
        ("created", "Created", "loading"),
        ("restarting", "Restarting (1) 5 seconds ago", "loading"),
        ("running", "Up 5 seconds (health: starting)", "unknown"),
        ("paused", "Up 5 seconds (Paused)", "unknown"),
    ],
)
def test_states(state: str, status: str, expected: str) -> None:
    [found] = instances_from_containers([_container(State=state, Status=status)])
    assert found.state == expected


@pytest.mark.parametrize(
    ("image", "command", "model"),
    [
        ("vllm/vllm-openai:v0.32.0", "vllm serve openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("vllm/vllm-openai:latest", "python3 -m vllm.entrypoints.openai.api_server --model a/b", "a/b"),
        ("vllm/vllm-openai:x", "vllm serve --model a/b --served-model-name mine", "mine"),
        ("me/own@sha256:0", "bash -c 'vllm serve x/y'", None),
        ("vllm/vllm-openai:x", "x/y --port 9000", "x/y"),
        ("vllm/vllm-openai:x", "vllm serve --served-model-name=mine", "mine"),
    ],
)  # fmt: skip
def test_foreign_servers_are_listed_and_not_managed(
    image: str, command: str, model: str | None
) -> None:
    [found] = instances_from_containers([_container(Image=image, Command=command, Labels={})])
    assert (found.engine, found.managed, found.spec) == ("vllm", False, None)
    if model is not None:
        assert found.model == model


@pytest.mark.parametrize("image", ["postgres:17", "nginx", "registry:5000/postgres"])
def test_other_containers_are_left_out(image: str) -> None:
    assert instances_from_containers([_container(Image=image, Command="run", Labels=None)]) == ()


@pytest.mark.parametrize("label", ["{", "[]", "{}", '{"version": 99}', '{"version": 1}', "null"])
def test_a_label_that_cannot_be_read_makes_a_foreign_one_with_the_reason(label: str) -> None:
    [found] = instances_from_containers([_container(Labels={LABEL_SPEC: label})])
    assert not found.managed
    assert found.spec is None
    assert len(found.detail) > 10


@pytest.mark.parametrize(
    ("address", "dialled"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("", "127.0.0.1"), ("10.0.0.5", "10.0.0.5")],
)
def test_the_address_to_dial(address: str, dialled: str) -> None:
    ports = [{"IP": address, "PrivatePort": 8000, "PublicPort": 8003, "Type": "tcp"}]
    [found] = instances_from_containers([_container(Ports=ports)])
    assert (found.host, found.port) == (dialled, 8003)


def test_a_command_with_an_open_quote_and_empty_fields_do_not_raise() -> None:
    odd = {
        "Image": "vllm/vllm-openai:x",
        "Command": "vllm serve 'a/b",
        "Labels": None,
        "Ports": None,
    }
    [found] = instances_from_containers([odd])
    assert (found.name, found.port, found.container_id) == ("?", None, None)


# --- times --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02T03:04:05.5+02:00", datetime(2026, 1, 2, 1, 4, 5, 500000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("2026-13-45T03:04:05Z", None),
        ("2026-01-02T03:04:05+99:99", None),
        ("", None),
        (None, None),
        ("yesterday", None),
    ],
)
def test_times(text: str | None, time: datetime | None) -> None:
    assert parse_time(text) == time
