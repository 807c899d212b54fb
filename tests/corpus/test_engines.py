"""vLLM's real metrics pages and logs against a second, simpler reading."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from gptoss_tui.domain.engines.base import PhaseMark
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.progress import PHASES
from gptoss_tui.domain.rates import rates
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.timeline import LaunchLog
from gptoss_tui.text import clean
from tests.corpus.support import ROOT, each, files, text

VLLM = engine_named("vllm")


# --- metrics ------------------------------------------------------------------------------------


def _sum(page: str, name: str) -> float | None:
    """The sum over all samples of exactly this name, by a regular expression alone."""
    found = re.findall(rf"(?m)^{re.escape(name)}(?:\{{.*\}})? ([-+0-9.e]+)\s*$", page)
    return sum(map(float, found)) if found else None


@each("c_metrics/vllm-[0-9]*.txt")
def test_a_page_of_vllm(file: Path) -> None:
    page = text(file)
    snapshot = VLLM.read_metrics(page)
    assert snapshot.metrics
    assert snapshot.running == _sum(page, "vllm:num_requests_running")
    assert snapshot.waiting == _sum(page, "vllm:num_requests_waiting")
    usage = _sum(page, "vllm:kv_cache_usage_perc")
    old = _sum(page, "vllm:gpu_cache_usage_perc")
    assert snapshot.kv_cache_usage == (old if usage is None else usage)
    counters = snapshot.counters
    assert counters.prompt_tokens == _sum(page, "vllm:prompt_tokens_total")
    assert counters.generation_tokens == _sum(page, "vllm:generation_tokens_total")
    assert counters.finished == _sum(page, "vllm:request_success_total")
    assert counters.preemptions == _sum(page, "vllm:num_preemptions_total")
    assert counters.prefix_queries == _sum(page, "vllm:prefix_cache_queries_total")
    assert snapshot.model
    assert f'model_name="{snapshot.model}"' in page


@each("c_metrics/vllm-[0-9]*.txt")
def test_the_histograms_of_a_page(file: Path) -> None:
    page = text(file)
    ttft = VLLM.read_metrics(page).counters.ttft
    assert ttft is not None
    name = "vllm:time_to_first_token_seconds"
    assert ttft.count == _sum(page, f"{name}_count")
    assert ttft.total == pytest.approx(_sum(page, f"{name}_sum"))
    bounds = {match for match in re.findall(rf'{name}_bucket\{{.*le="([^"]+)"', page)}
    assert len(ttft.buckets) == len(bounds) - 1, "all but the one without a bound"
    counts = [count for _, count in ttft.buckets]
    assert counts == sorted(counts)


@each("c_metrics/*", "vllm-")
def test_a_page_of_something_else_is_no_metrics_of_vllm(file: Path) -> None:
    snapshot = VLLM.read_metrics(text(file))
    assert snapshot == EngineSnapshot(metrics=False)


@each("c_metrics/*")
def test_every_page_makes_a_fact_that_comes_back(file: Path) -> None:
    snapshot = VLLM.read_metrics(text(file))
    encoded = msgspec.json.encode(snapshot)
    assert msgspec.json.decode(encoded, type=EngineSnapshot) == snapshot
    same, restarted = rates(snapshot.counters, snapshot.counters, 1.0)
    assert same is not None
    assert not restarted
    assert same.generation_tokens_per_s in (None, 0)


# --- logs ---------------------------------------------------------------------------------------


def _marks(file: Path) -> list[PhaseMark]:
    marks = (VLLM.read_log(clean(line)) for line in text(file).splitlines())
    return [mark for mark in marks if mark is not None]


# What each failing log must be recognised as.
CAUSES = {
    "err-driver-too-old-vllm0.22.txt": "driver is too old",
    "err-driver-too-old-vllm0.28.txt": "driver is too old",
    "err-quantization-mismatch-vllm.txt": "--quantization",
    "gptoss-harmony-vocab-line.txt": "Harmony vocabulary",
    "gptoss-known-errors-recipes.txt": "Blackwell",
    "llamacpp-server.log": "fault",
    "ollama-gptoss120b-rocm-journal.log": "fault",
    "vllm-import-error-rocm.log": "Libraries",
    "vllm-0.14-rocm-fp8-oom.log": "memory ran out",
    "vllm-0.19.1-t4-oom.log": "memory ran out",
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_cause_of_a_failure_is_recognised(name: str) -> None:
    assert ROOT is not None
    fatal = [mark for mark in _marks(ROOT / "d_logs" / name) if mark.fatal]
    assert fatal
    assert CAUSES[name] in fatal[0].fatal
    assert fatal[0].next_step


@each("d_logs/*", *CAUSES)
def test_no_cause_is_invented(file: Path) -> None:
    """Neither in good logs nor in those of other programs, nor where the cause is not known."""
    assert [mark for mark in _marks(file) if mark.fatal] == []


GOOD = [file for file in files("d_logs/vllm-*.log")
        if file.name.endswith(("-ok.log", "-head.log")) or "anton" in file.name]  # fmt: skip


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_good_start_goes_through_its_phases(file: Path) -> None:
    log = LaunchLog("id")
    log.feed("@1767225600 begin {}")
    log.feed("@1767225600 wait")
    entered: list[str] = []
    for mark in _marks(file):
        log.feed_engine(mark, None)
        current = log.progress.current
        if current is not None and (not entered or entered[-1] != current.name):
            entered.append(current.name)
    assert entered == sorted(entered, key=list[str](PHASES).index)
    assert {"load", "compile", "capture", "warmup"} <= set(entered)
    assert log.progress.error == ""


@each("d_logs/*", "vllm-", "router-")
def test_logs_of_other_engines_mean_no_phase(file: Path) -> None:
    assert [mark.phase for mark in _marks(file) if mark.phase] == []


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_shards_and_graphs_have_fractions(file: Path) -> None:
    fractions = [mark.fraction for mark in _marks(file) if mark.fraction is not None]
    bars = re.findall(r"(?:shards|graphs?)[^|\n]*?(\d+)% *(?:Completed)? *\|", text(file))
    assert len(fractions) >= min(1, len(bars))
    assert all(0 <= fraction <= 1 for fraction in fractions)
