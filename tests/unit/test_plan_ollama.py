"""Ollama's plans against runs of Ollama 0.13.3 on one and two H100s of 80 GB, driver 580.159.04.

Measured: models in the true shape of GPT-OSS, loaded with the environment of a launch, one GPU held
to different degrees by another process. MiB are those of `nvidia-smi`, after a prompt of 3,000 tokens
in each slot, less what was held before; 81,559 MiB a card, 480 of them reserved. The CUDA backend was
built from the release's source for compute capability 9.0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from gptoss_tui.domain.gpu import MIB
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.types import Plan
from tests.unit.make import plan_gpu, request


class Run(NamedTuple):
    """`on_gpu`: "all" layers, "some", or "crash"; `held` MiB on each card before it."""

    model: str
    context: int
    slots: int
    cache: str | None
    on_gpu: str
    used_mib: int
    held: tuple[int, ...] = (0,)


RUNS = (
    Run("20b", 8192, 1, None, "all", 13_195),
    Run("20b", 8192, 8, None, "all", 15_371),
    Run("20b", 8192, 32, None, "all", 22_941),
    Run("20b", 16_384, 16, None, "all", 21_471),
    Run("20b", 32_768, 1, None, "all", 13_813),
    Run("20b", 32_768, 8, None, "all", 20_597),
    Run("20b", 131_072, 1, None, "all", 16_379),
    Run("20b", 131_072, 2, None, "all", 19_945),
    Run("20b", 131_072, 4, None, "all", 27_087),
    Run("20b", 131_072, 7, None, "all", 37_779),
    # No slot gets less than 8,192 tokens.
    Run("20b", 4096, 1, None, "all", 13_205),
    Run("20b", 2048, 4, None, "all", 14_137),
    Run("20b", 8192, 1, "q8_0", "all", 13_117),
    Run("20b", 8192, 8, "q8_0", "all", 14_443),
    Run("20b", 32_768, 1, "q8_0", "all", 13_493),
    Run("20b", 32_768, 4, "q8_0", "all", 15_391),
    Run("20b", 32_768, 8, "q8_0", "all", 17_893),
    Run("20b", 131_072, 1, "q8_0", "all", 15_195),
    Run("20b", 131_072, 4, "q4_0", "all", 19_039),
    # The mask of a batch over all slots passes 2 GiB.
    Run("20b", 131_040, 8, None, "all", 41_343),
    Run("20b", 131_056, 8, None, "crash", 0),
    Run("20b", 131_072, 8, None, "crash", 0),
    Run("20b", 131_072, 8, "q8_0", "crash", 0),
    Run("20b", 65_504, 16, None, "all", 42_205),
    Run("20b", 65_536, 16, None, "crash", 0),
    Run("120b", 131_072, 8, None, "crash", 0),
    # Where the memory ends.
    Run("20b", 8192, 1, None, "all", 13_192, (66_527,)),
    Run("20b", 8192, 1, None, "all", 13_192, (67_527,)),
    Run("20b", 8192, 1, None, "some", 11_706, (68_027,)),
    Run("20b", 8192, 1, None, "some", 12_088, (68_527,)),
    Run("20b", 131_072, 1, None, "all", 16_376, (64_527,)),
    Run("20b", 131_072, 1, None, "some", 15_272, (65_027,)),
    Run("120b", 8192, 1, None, "all", 62_549),
    Run("120b", 8192, 8, None, "all", 65_733),
    Run("120b", 32_768, 1, None, "all", 63_459),
    Run("120b", 32_768, 8, None, "all", 73_263),
    Run("120b", 131_072, 1, None, "all", 67_175),
    Run("120b", 131_072, 3, None, "all", 77_453),
    Run("120b", 131_072, 4, None, "some", 79_807),
    Run("120b", 131_072, 1, "q8_0", "all", 65_269),
    Run("120b", 131_072, 7, "q8_0", "some", 78_869),
    # Two cards: the first three stay on one of them.
    Run("20b", 131_072, 1, None, "all", 16_395, (0, 0)),
    Run("120b", 32_768, 8, None, "all", 73_279, (0, 0)),
    Run("120b", 8192, 1, None, "all", 62_557, (50_531, 0)),
    Run("120b", 131_072, 4, None, "all", 83_960, (0, 0)),
    Run("120b", 131_072, 7, None, "all", 99_800, (0, 0)),
    Run("120b", 131_072, 7, "q8_0", "all", 87_832, (0, 0)),
    Run("120b", 131_040, 8, None, "all", 105_082, (0, 0)),
    Run("20b", 131_072, 4, None, "all", 28_406, (65_527, 65_527)),
    Run("20b", 131_072, 4, None, "all", 28_402, (66_027, 66_027)),
    Run("20b", 131_072, 4, None, "some", 25_322, (66_527, 66_527)),
    Run("20b", 131_072, 4, None, "some", 23_350, (67_027, 67_027)),
)


def planned(run: Run, **changes: Any) -> Plan:
    gpus = tuple(
        plan_gpu(memory_reserved_bytes=480 * MIB, memory_used_bytes=held * MIB) for held in run.held
    )
    asked: dict[str, Any] = {
        "gpus": gpus, "engine": "ollama", "engine_version": "0.13.3", "users": run.slots,
        "max_model_len": run.context, "kv_cache_dtype": run.cache,
    }  # fmt: skip
    return plan(request(run.model, **asked | changes))


def told(run: Run) -> str:
    return f"{run.model}-{run.context}x{run.slots}-{run.cache or 'f16'}-{run.held}"


@pytest.mark.parametrize("run", RUNS, ids=told)
def test_the_verdict_is_what_happened(run: Run) -> None:
    """ "tight" is no promise; the other two are."""
    verdict = planned(run).verdict
    assert verdict in {"all": ("fits", "tight")}.get(run.on_gpu, ("does_not_fit", "tight"))
    if run.held == (0,) * len(run.held):
        assert verdict != "tight"


@pytest.mark.parametrize("run", [run for run in RUNS if run.on_gpu == "all"], ids=told)
def test_the_memory_is_what_was_measured(run: Run) -> None:
    made = planned(run)
    memory = made.memory_gib
    off = memory.weights + memory.buffers + memory.kv_cache - run.used_mib / 1024
    assert -0.05 < off < 0.16 * len(run.held) or (run.slots == 32 and off < 0.31)
    assert off < made.band_gib


def test_a_load_that_crashes_is_told_of_as_such() -> None:
    crash = Run("20b", 131_072, 8, None, "crash", 0)
    made = planned(crash)
    assert made.reason == (
        "8 slots of 131,072 tokens are 1,048,576 in all: with more than 1,048,320 "
        "Ollama's runner crashes while it loads."
    )
    assert int(made.kv_cache.max_concurrency) == 7
    assert planned(crash._replace(slots=7)).fits_requests == 7
    # llama.cpp's server has another attention.
    assert planned(crash, engine_version="0.30.0").verdict == "fits"


def test_what_ollama_makes_of_context_and_cards_is_told() -> None:
    short = planned(Run("20b", 4096, 1, None, "all", 0, (0, 0)))
    assert "On 20 GiB and more Ollama gives a slot 8,192 tokens." in short.warnings
    assert "Of the 2 GPUs 1 is used: Ollama takes as few as hold the model." in short.warnings
    assert short.request.max_model_len == 4096
    assert short.kv_cache.tokens == 8192
    small = planned(Run("20b", 4096, 1, None, "all", 0), gpus=(plan_gpu(16_384),))
    assert small.kv_cache.tokens == 4096
    several = planned(Run("120b", 131_072, 7, None, "all", 0, (0, 0))).warnings
    assert not any("used:" in warning for warning in several)
    assert any("spreads the layers" in warning for warning in several)


def test_a_card_that_is_full_takes_nothing_from_the_others() -> None:
    alone = planned(Run("20b", 8192, 1, None, "all", 0, (67_527,)))
    beside = planned(Run("20b", 8192, 1, None, "all", 0, (67_527, 80_500)))
    assert alone.verdict == beside.verdict == "tight"
    assert beside.kv_cache.max_concurrency == alone.kv_cache.max_concurrency


@pytest.mark.parametrize("context", [1000, 8192, 32_768, 131_072])
@pytest.mark.parametrize("cache", [None, "q8_0"])
@pytest.mark.parametrize("held", [(0,), (60_000,), (0, 0), (40_000, 70_000)])
def test_as_many_slots_fit_as_it_says(
    context: int, cache: str | None, held: tuple[int, ...]
) -> None:
    one = Run("20b", context, 1, cache, "all", 0, held)
    most = int(planned(one).kv_cache.max_concurrency)
    assert most >= 1
    assert planned(one._replace(slots=most)).verdict != "does_not_fit"
    assert planned(one._replace(slots=most + 1)).verdict == "does_not_fit"
