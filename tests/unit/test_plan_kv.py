"""The KV cache's arithmetic against figures that vLLM printed, or that its own code gave.

Sources: vLLM issue threads and start-up logs that others published. Where a log prints rounded GiB,
the figure may differ in its last digits.
"""

from __future__ import annotations

from typing import Any

import pytest

from gptoss_tui.domain.gpu import GIB
from gptoss_tui.domain.plan.kv import KvSettings, block_bytes, blocks_per_request, kv_plan
from gptoss_tui.domain.plan.models import MODELS
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.versions import parse
from tests.unit.make import request

# available GiB, TP, context, batch, version, logged concurrency (None: not logged), logged tokens
KV_ROWS = [
    (58.47, 1, 8192, 8192, "0.19.0", 155.75, 1_277_184),
    (63.28, 2, 8192, 8192, "0.19.0", 337.17, None),
    (59.32, 2, 8192, 8192, "0.19.0", 316.07, 2_591_776),
    (66.57, 4, 8192, 8192, "0.19.0", 709.4, 5_817_056),
]


@pytest.mark.parametrize("row", KV_ROWS, ids=lambda row: f"{row[0]}GiB-tp{row[1]}")
def test_logged_concurrency(
    row: tuple[float, int, int, int, str, float, int | None],
) -> None:
    gib, tensor_parallel, context, batch, version, concurrency, tokens = row
    settings = KvSettings(
        model=MODELS["20b"],
        context=context,
        batched_tokens=batch,
        tensor_parallel=tensor_parallel,
        version=parse(version),
    )
    made = kv_plan(settings, round(gib * GIB))
    assert made.max_concurrency == pytest.approx(concurrency, rel=3e-4)
    if tokens is not None:
        assert made.tokens == pytest.approx(tokens, rel=3e-4)


# 120b on H200 with blocks of 64 and one group of layers, or two: GPUs, GiB, tokens, concurrency.
H200_ROWS = [
    (8, True, 428_888 * 294_912 / GIB, 25_798_626, 196.83),
    (8, False, 117.80, 13_724_416, 104.71),
    (4, False, 92.48, 5_387_584, None),
    (4, False, 52.87, 3_080_064, None),
]


@pytest.mark.parametrize(("parallel", "hybrid", "gib", "tokens", "concurrency"), H200_ROWS)
def test_logged_tokens_of_an_h200(
    parallel: int, hybrid: bool, gib: float, tokens: int, concurrency: float | None
) -> None:
    """0.22.1, batch 8192, context 131,072; the printed GiB have two decimals."""
    settings = KvSettings(
        model=MODELS["120b"], context=131_072, batched_tokens=8192, tensor_parallel=parallel,
        version=parse("0.22.1"), block_tokens=64, hybrid=hybrid,
    )  # fmt: skip
    made = kv_plan(settings, round(gib * GIB))
    assert made.tokens == pytest.approx(tokens, rel=0.005 / gib)
    if concurrency is not None:
        assert made.max_concurrency == pytest.approx(concurrency, rel=0.005 / gib + 5e-5)


# model, batch, GiB that one request of 131,072 tokens needs (async scheduling; sync)
ONE_REQUEST = [
    ("20b", 2048, 3.10, 3.05),
    ("20b", 8192, 3.38, 3.19),
    ("20b", 16384, 3.75, 3.38),
    ("120b", 2048, 4.65, 4.58),
    ("120b", 8192, 5.07, 4.79),
    ("120b", 16384, 5.63, 5.07),
]


@pytest.mark.parametrize(("model", "batch", "overlapping", "plain"), ONE_REQUEST)
def test_kv_of_one_request(model: str, batch: int, overlapping: float, plain: float) -> None:
    new = plan(request(model, max_num_batched_tokens=batch, engine_version="0.32.0"))
    assert new.kv_cache.needed_gib_for_one_request == pytest.approx(overlapping, abs=0.006)
    old = plan(request(model, max_num_batched_tokens=batch, engine_version="0.25.0"))
    assert old.kv_cache.needed_gib_for_one_request == pytest.approx(plain, abs=0.006)


@pytest.mark.parametrize(("version", "more"), [("0.28.0", 0), ("0.29.0", 1), ("0.33.0", 1)])
def test_from_0_29_the_start_wants_one_block_more_than_the_error_says(
    version: str, more: int
) -> None:
    """vLLM compares with what is left without the null block, and prints that and the plain need."""
    flags: dict[str, Any] = {"engine_version": version, "max_num_batched_tokens": 2048}
    one = plan(request(**flags)).kv_cache
    needed = round(one.needed_gib_for_one_request * GIB)
    assert needed % one.block_bytes == 0
    lacking = plan(request(kv_cache_memory_bytes=needed + more * one.block_bytes - 1, **flags))
    enough = plan(request(kv_cache_memory_bytes=needed + more * one.block_bytes, **flags))
    assert (lacking.verdict, enough.verdict) == ("does_not_fit", "fits")
    assert lacking.kv_cache.needed_gib_for_one_request == one.needed_gib_for_one_request


@pytest.mark.parametrize(
    ("model", "batch", "gib"),
    [
        ("20b", 2048, 0.85), ("20b", 8192, 1.13), ("20b", 16384, 1.50),
        ("120b", 2048, 1.27), ("120b", 8192, 1.69), ("120b", 16384, 2.25),
    ],
)  # fmt: skip
def test_kv_of_one_request_of_32k(model: str, batch: int, gib: float) -> None:
    made = plan(request(model, max_num_batched_tokens=batch, max_model_len=32768))
    assert made.kv_cache.needed_gib_for_one_request == pytest.approx(gib, abs=0.006)


def test_fp8_halves_it() -> None:
    made = plan(request(max_num_batched_tokens=2048, kv_cache_dtype="fp8"))
    assert made.kv_cache.needed_gib_for_one_request == pytest.approx(1.55, abs=0.006)


@pytest.mark.parametrize(("batch", "gib"), [(1024, 4.54), (8192, 4.79)])
def test_the_errors_of_120b_on_one_h100_say_the_same(batch: int, gib: float) -> None:
    """vllm#27508 and others: "4.54 / 4.79 GiB KV cache is needed"."""
    settings = KvSettings(
        model=MODELS["120b"], context=131_072, batched_tokens=batch, version=parse("0.11.0")
    )
    needed = blocks_per_request(settings) * block_bytes(settings)
    assert needed / GIB == pytest.approx(gib, abs=0.006)


def test_kv_memory_given_in_bytes_decides_alone() -> None:
    """The Arc B60 with blocks of 64 tokens: 280,425 tokens of 6.63 GiB, 338,928 of 8.01."""
    for gib, version, tokens, concurrency in (
        (6.63, "0.28.0", 280_425, 2.14),
        (8.01, "0.29.0", 338_928, 2.59),
    ):
        made = plan(
            request(
                kv_cache_memory_bytes=round(gib * GIB),
                engine_version=version,
                max_num_batched_tokens=2048,
                enforce_eager=True,
                block_size=64,
            )
        )
        assert made.memory_gib.kv_cache == pytest.approx(gib)
        # The GiB are printed with two decimals, so the tokens follow to that grain.
        assert made.kv_cache.tokens == pytest.approx(tokens, rel=0.005 / gib)
        assert made.kv_cache.max_concurrency == pytest.approx(concurrency, abs=0.01)
