"""What a launch fetches, what is on the box already, and whether there is room."""

from __future__ import annotations

from typing import Any

import pytest

from gptoss_tui.domain.choose import on_disk
from gptoss_tui.domain.host import CachedModel, Disk, DockerInfo
from gptoss_tui.domain.parse.nvidia_smi import GPU_FIELDS
from gptoss_tui.domain.parse.probe import parse_probe
from gptoss_tui.domain.plan import plan
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


def test_the_cache_as_the_probe_prints_it() -> None:
    text = "@@cached\nmodels--openai--gpt-oss-20b 2048\nmodels--x 7\nodd\nmodels--a--b x\n@@end\n"
    assert parse_probe(text, GPU_FIELDS).report.cached == (
        CachedModel(model="openai/gpt-oss-20b", bytes=2048 * 1024),
        CachedModel(model="x", bytes=7 * 1024),
    )
