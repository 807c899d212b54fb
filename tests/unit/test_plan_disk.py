"""What a launch fetches, what is on the box already, and whether there is room."""

from __future__ import annotations

from typing import Any

import pytest

from gptoss_tui.domain.choose import on_disk
from gptoss_tui.domain.host import CachedModel, Disk, DockerInfo
from gptoss_tui.domain.parse.nvidia_smi import GPU_FIELDS
from gptoss_tui.domain.parse.probe import parse_probe
from gptoss_tui.domain.plan.planner import plan
from tests.unit.make import report, request

GB = 10**9
WHOLE = 13_761_264_768


@pytest.mark.parametrize(
    ("changes", "download", "disk"),
    [
        ({}, WHOLE, WHOLE + 26 * GB),
        ({"engine_version": "0.13.0"}, 2 * WHOLE, 2 * WHOLE + 26 * GB),
        ({"cached_bytes": WHOLE + 5, "image_there": True}, 0, 0),
        ({"cached_bytes": 4 * GB}, WHOLE - 4 * GB, WHOLE - 4 * GB + 26 * GB),
        ({"checkpoint": "bf16"}, 41_830_000_000, 41_830_000_000 + 26 * GB),
        ({"engine": "sglang", "engine_version": "0.5.23"}, WHOLE, WHOLE + 30 * GB),
        ({"engine": "ollama", "engine_version": "0.13.3"}, WHOLE, WHOLE + 4 * GB),
    ],
)
def test_bytes_to_fetch_and_to_hold(changes: dict[str, Any], download: int, disk: int) -> None:
    made = plan(request(max_model_len=8192, **changes))
    assert (made.download_bytes, made.disk_bytes) == (download, disk)


@pytest.mark.parametrize(
    ("free", "cached", "words"),
    [(30 * GB, 0, "needs 40 GB"), (20 * GB, WHOLE - 1, "needs 26 GB"), (500 * GB, 0, "")],
)
def test_too_little_room_is_said(free: int, cached: int, words: str) -> None:
    made = plan(request(disk_free_bytes=free, cached_bytes=cached))
    said = [warning for warning in made.warnings if "disk" in warning]
    assert bool(said) == bool(words)
    assert words in " ".join(said)


@pytest.mark.parametrize(
    ("changes", "bytes_"),
    [
        ({}, 11_440_000_000),
        ({"image_there": True}, 0),
        ({"engine": "ollama", "engine_version": "0.13.3"}, None),
    ],
)
def test_the_image_comes_over_the_wire_too(changes: dict[str, Any], bytes_: int | None) -> None:
    assert plan(request(max_model_len=8192, **changes)).image_download_bytes == bytes_


@pytest.mark.parametrize(
    ("weights", "images", "words"),
    [(20 * GB, 30 * GB, ""), (20 * GB, 20 * GB, "images"), (10 * GB, 90 * GB, "needs 14 GB")],
)
def test_images_on_a_disk_of_their_own(weights: int, images: int, words: str) -> None:
    made = plan(request(cached_bytes=0, disk_free_bytes=weights, image_disk_free_bytes=images))
    said = " ".join(warning for warning in made.warnings if "needs" in warning)
    assert bool(said) == bool(words)
    assert words in said


@pytest.mark.parametrize(
    ("docker", "weights", "expected"),
    [
        ((9, 100), (8, 100), (8, None)),
        ((9, 100), (8, 200), (8, 9)),
        ((9, 100), None, (9, None)),
        (None, (8, 100), (8, None)),
        (None, None, (None, None)),
    ],
)
def test_one_disk_or_two(
    docker: tuple[int, int] | None,
    weights: tuple[int, int] | None,
    expected: tuple[int | None, int | None],
) -> None:
    """(free, total) GB of each; the same size and nearly the same room are one file system."""
    disks = tuple(
        Disk(role=role, path="/", free_bytes=found[0] * GB // 10, total_bytes=found[1] * GB)
        for role, found in (("docker", docker), ("weights", weights))
        if found
    )
    filled = on_disk(request(), report(disks=disks))
    free = (filled.disk_free_bytes, filled.image_disk_free_bytes)
    assert free == tuple(None if each is None else each * GB // 10 for each in expected)


def test_a_bf16_checkpoint_is_looked_for_by_its_own_name() -> None:
    there = report(
        cached=(
            CachedModel(model="openai/gpt-oss-20b", bytes=WHOLE),
            CachedModel(model="unsloth/gpt-oss-20b-BF16", bytes=5),
        )
    )
    assert on_disk(request(checkpoint="bf16"), there).cached_bytes == 5


def test_the_guides_rule_of_twice_the_size_is_a_check() -> None:
    made = plan(request("120b", disk_free_bytes=110 * GB, image_there=True))
    assert any("twice the model" in warning for warning in made.warnings)


def test_a_box_tells_what_it_has() -> None:
    there = report(
        cached=(
            CachedModel(model="openai/gpt-oss-20b", bytes=WHOLE),
            CachedModel(model="openai/gpt-oss-120b", bytes=7),
        ),
        docker=DockerInfo(
            version="27", api_version="1.47", via="socket", images=("vllm/vllm-openai:v0.32.0",)
        ),
        disks=(Disk(role="docker", path="/a", free_bytes=9), Disk(role="weights", path="/b")),
    )
    filled = on_disk(request(), there)
    assert (filled.cached_bytes, filled.image_there, filled.disk_free_bytes) == (WHOLE, True, 9)
    assert on_disk(request(engine_version="0.31.0"), there).image_there is False
    assert on_disk(request(), there, "mine/vllm:1").image_there is False
    theirs = "vllm/vllm-openai:v0.32.0"
    assert on_disk(request(engine_version="0.31.0"), there, theirs).image_there is True


def test_the_cache_as_the_probe_prints_it() -> None:
    lines = (
        "@@cached", "models--openai--gpt-oss-20b 2048", "models--gpt-oss-x 7", "odd",
        "models--a--gpt-oss x", "models--gpt2 9", "@@end",
    )  # fmt: skip
    assert parse_probe("\n".join(lines), GPU_FIELDS).report.cached == (
        CachedModel(model="openai/gpt-oss-20b", bytes=2048 * 1024),
        CachedModel(model="gpt-oss-x", bytes=7 * 1024),
    )
