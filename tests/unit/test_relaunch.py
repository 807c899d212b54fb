"""A failed launch once more: the doctor's change in its spec, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from gptoss_tui.domain.doctor.diagnosis import Change
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.relaunch import changed, in_words
from gptoss_tui.errors import UsageError
from tests.unit.make import spec

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OLD = msgspec.structs.replace(
    spec(),
    arguments=("--max-model-len", "131072", "--dtype=float16", "--async-scheduling", "--x", "1"),
    has_token=True,
)


def again(change: Change, ports: tuple[int, ...] = ()) -> LaunchSpec:
    return changed(OLD, change, launch_id="new", created_at=NOW, ports=ports)


def test_a_flag_is_set_anew_and_another_left_out() -> None:
    lower = again(Change(kind="flags", flags=("--max-model-len", "4096")))
    assert lower.arguments == (
        "--dtype=float16", "--async-scheduling", "--x", "1", "--max-model-len", "4096",
    )  # fmt: skip
    assert (lower.launch_id, lower.planned, lower.has_token) == ("new", None, False)
    without = again(Change(kind="flags", drop=("--dtype",)))
    assert without.arguments == (
        "--max-model-len", "131072", "--async-scheduling", "--x", "1",
    )  # fmt: skip


def test_another_image_and_another_release() -> None:
    image = again(Change(kind="image", flags=("--image", "vllm/vllm-openai:other")))
    assert image.image == "vllm/vllm-openai:other"
    assert image.arguments == OLD.arguments
    release = again(Change(kind="flags", flags=("--engine-version", "0.32.0")))
    assert release.engine_version == "0.32.0"
    assert release.image.startswith("vllm/vllm-openai:v0.32.0")


def test_another_release_is_taken_for_the_driver_of_the_box() -> None:
    change = Change(kind="flags", flags=("--engine-version", "0.32.0"))
    old = changed(OLD, change, launch_id="new", created_at=NOW, driver_version="550.54")
    assert old.image == "vllm/vllm-openai:v0.32.0-cu129"
    assert again(change).image == "vllm/vllm-openai:v0.32.0"


def test_a_flag_is_found_however_it_was_written() -> None:
    short = msgspec.structs.replace(OLD, arguments=("-tp", "2", "--max_model_len=32k", "--x"))
    fewer = Change(
        kind="flags", flags=("--max-model-len", "4096"), drop=("--tensor-parallel-size",)
    )
    new = changed(short, fewer, launch_id="new", created_at=NOW)
    assert new.arguments == ("--x", "--max-model-len", "4096")


def test_a_free_port_and_a_free_name() -> None:
    port = again(Change(kind="port", drop=("--port",)), ports=(OLD.port + 1, OLD.port + 2))
    assert port.port == OLD.port + 3
    assert again(Change(kind="name", drop=("--name",))).name == f"{OLD.name}-2"


def test_what_is_no_change_of_the_launch_is_refused() -> None:
    with pytest.raises(UsageError):
        again(Change(kind="toolkit"))
    ollama = msgspec.structs.replace(OLD, engine="ollama")
    flags = Change(kind="flags", flags=("--max-model-len", "1"))
    with pytest.raises(UsageError):
        changed(ollama, flags, launch_id="new", created_at=NOW)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(kind="flags", flags=("--a", "1"), drop=("--c",)), "--a 1, without --c"),
        (Change(kind="port", drop=("--port",)), "another port, a free one"),
        (Change(kind="name", drop=("--name",)), "another name, a free one"),
        (Change(kind="toolkit"), "install the NVIDIA Container Toolkit"),
    ],
)  # fmt: skip
def test_a_change_in_words(change: Change, words: str) -> None:
    assert in_words(change) == words
