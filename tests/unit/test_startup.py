"""What an engine prints of its memory: read, set beside the plan, and remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gptoss_tui.domain.engines.vllm_log import read_log
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.predict import correction_key, prediction
from gptoss_tui.domain.startup import Prediction, StartupFigures, compare, correction_gib
from gptoss_tui.domain.timeline import LaunchLog
from gptoss_tui.errors import StateError
from gptoss_tui.state import measurements
from tests.unit.make import request


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        (
            "gpu_model_runner.py:1] Model loading took 64.38 GiB and 12.3 seconds",
            "weights_gib",
            64.38,
        ),
        ("Model loading took 13.03 GiB memory and 4.1 seconds", "weights_gib", 13.03),
        ("Available KV cache memory: -2.14 GiB", "kv_cache_gib", -2.14),
        ("GPU KV cache size: 1,277,184 tokens", "kv_tokens", 1_277_184),
        ("Maximum concurrency for 8,192 tokens per request: 155.75x", "max_concurrency", 155.75),
        ("Graph capturing finished in 7 secs, took 1.84 GiB", "cuda_graphs_gib", 1.84),
    ],
)
def test_a_line_of_the_log(line: str, field: str, value: float) -> None:
    mark = read_log(f"(EngineCore pid=7) INFO 11-24 10:00:00 [x.py:1] {line}")
    assert mark is not None
    assert mark.figures is not None
    assert getattr(mark.figures, field) == value


def test_from_0_28_two_figures_stand_in_one_line() -> None:
    mark = read_log(
        "GPU KV cache size: 131,815 tokens, Maximum concurrency for 131,072 tokens per request: 1.01x"
    )
    assert mark is not None
    assert mark.figures == StartupFigures(kv_tokens=131_815, max_concurrency=1.01)


def test_of_several_ranks_the_worst_counts() -> None:
    first = StartupFigures(weights_gib=7.01, kv_cache_gib=63.28)
    second = StartupFigures(weights_gib=7.02, kv_cache_gib=63.11)
    assert first.and_then(second) == StartupFigures(weights_gib=7.02, kv_cache_gib=63.11)
    assert first.and_then(StartupFigures()) == first


def test_only_what_was_printed_is_compared() -> None:
    planned = StartupFigures(weights_gib=13.0, kv_cache_gib=55.0, kv_tokens=1000)
    [row] = compare(planned, StartupFigures(kv_cache_gib=54.5))
    assert (row.planned, row.measured, row.difference) == (55.0, 54.5, -0.5)
    [unknown] = compare(StartupFigures(), StartupFigures(kv_cache_gib=1.0))
    assert unknown.difference is None


def test_a_correction_brings_the_next_plan_to_what_was_measured() -> None:
    first = plan(request("120b", max_model_len=32_768))
    seen = first.memory_gib.kv_cache - 0.7
    difference = correction_gib(prediction(first), StartupFigures(kv_cache_gib=seen))
    assert difference is not None
    key = correction_key(first.request)
    second = plan(request("120b", max_model_len=32_768, corrections=((key, difference),)))
    assert second.memory_gib.kv_cache == pytest.approx(seen, abs=0.01)
    assert second.basis["kv_cache"] == "measured"
    assert second.band_gib < first.band_gib
    # Measured again, the whole difference is remembered, not the rest of it.
    again = correction_gib(prediction(second), StartupFigures(kv_cache_gib=seen))
    assert again == pytest.approx(difference, abs=0.02)


def test_a_correction_holds_for_its_own_arrangement_only() -> None:
    other = (("vllm/0.32.0/20b/mxfp4/1xNVIDIA L4/batch2048/graphs", -3.0),)
    assert plan(request(corrections=other)).memory_gib == plan(request()).memory_gib


def test_the_timeline_carries_plan_and_measurement() -> None:
    planned = Prediction(key="k", figures=StartupFigures(kv_cache_gib=55.0))
    log = LaunchLog("l")
    begin = {
        "name": "a",
        "engine": "vllm",
        "planned": {"key": "k", "figures": {"kv_cache_gib": 55.0}},
    }
    log.feed(f"@1700000000 begin {json.dumps(begin)}")
    for line in ("Model loading took 13.03 GiB", "Available KV cache memory: 54.5 GiB"):
        mark = read_log(line)
        assert mark is not None
        log.feed_engine(mark, None)
    assert log.progress.planned == planned
    assert log.progress.measured == StartupFigures(weights_gib=13.03, kv_cache_gib=54.5)


def test_a_begin_line_without_a_plan_is_read_too() -> None:
    log = LaunchLog("l")
    log.feed('@1700000000 begin {"name": "a", "planned": {"odd": 1}}')
    assert (log.progress.name, log.progress.planned) == ("a", None)


def test_differences_are_kept_by_box_and_key(tmp_path: Path) -> None:
    file = tmp_path / "measurements.toml"
    assert measurements.corrections(file, "box") == ()
    measurements.remember(file, "box", "k", -0.7)
    measurements.remember(file, "box", "k", -0.5)
    measurements.remember(file, "other", "k", 9.0)
    assert measurements.corrections(file, "box") == (("k", -0.5),)
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_highest_speed_of_a_box_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "measurements.toml"
    assert measurements.speeds(file, "box") == ()
    measurements.remember(file, "box", "k", -0.7)
    for rate, ran in ((300.0, 4.0), (653.25, 5.0), (120.0, 1.0)):
        measurements.remember_speed(file, "box", "k", rate, ran)
    assert measurements.speeds(file, "box") == (("k", 653.2, 5.0),)
    assert measurements.corrections(file, "box") == (("k", -0.7),)  # one file holds both


def test_a_file_of_odd_measurements_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "measurements.toml"
    file.write_text('version = 1\n[kv_cache_gib.box]\nk = "much"\n')
    with pytest.raises(StateError):
        measurements.corrections(file, "box")
