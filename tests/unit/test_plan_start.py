"""What vLLM checks before it loads anything: free memory, the batch, the release, the cards."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.choose import candidates, choose, plan_gpu, spare
from gptoss_tui.domain.gpu import GIB, MIB, Gpu
from gptoss_tui.domain.parse.probe import Probe
from gptoss_tui.domain.plan.memory import penalties_gib
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.predict import correction_key
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.settle import batching, settle
from gptoss_tui.domain.plan.versions import parse
from gptoss_tui.domain.plan.vllm import load_of
from gptoss_tui.domain.plan.weights import moe_backend
from gptoss_tui.domain.preflight import findings
from gptoss_tui.errors import DoesNotFitError
from tests.unit.make import gpu, report, request
from tests.unit.make import plan_gpu as card

# --- free memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gib", "share", "verdict"),
    [
        # Idle cards of 79.25 and 23.56 GiB had 78.84 and 22.93 free when vLLM looked.
        (79.25, 0.90, "fits"), (79.25, 0.95, "fits"), (79.25, 0.992, "tight"),
        (79.25, 1.0, "does_not_fit"),
        (23.56, 0.92, "fits"), (23.56, 0.95, "fits"), (23.56, 0.98, "does_not_fit"),
    ],
)  # fmt: skip
def test_vllms_own_context_is_gone_before_it_looks(gib: float, share: float, verdict: str) -> None:
    one = card(name="x", capability="8.9", memory_total_bytes=round(gib * GIB))
    made = plan(
        request(gpus=(one,), gpu_memory_utilization=share, max_model_len=8192, max_num_seqs=8,
                max_num_batched_tokens=2048)
    )  # fmt: skip
    assert made.verdict == verdict
    if verdict != "fits":
        assert "--gpu-memory-utilization" in made.reason


@pytest.mark.parametrize(
    ("used", "parallel", "verdict"),
    [
        ((0, 0), 2, "fits"), ((20, 0), 2, "does_not_fit"), ((0, 20), 2, "does_not_fit"),
        # The second GPU is not the server's.
        ((0, 20), 1, "fits"), ((20, 0), 1, "does_not_fit"),
    ],
)  # fmt: skip
def test_memory_in_use_is_looked_at_on_each_gpu_of_the_server(
    used: tuple[int, int], parallel: int, verdict: str
) -> None:
    cards = tuple(card(memory_used_bytes=each * GIB) for each in used)
    made = plan(
        request(gpus=cards, tensor_parallel_size=parallel, max_model_len=8192, max_num_seqs=16)
    )
    assert made.verdict == verdict


def test_what_is_used_of_a_large_gpu_is_not_taken_from_a_small_one() -> None:
    large, small = card(memory_used_bytes=5 * GIB), card(46_068, "8.9", name="NVIDIA L40S")
    flags: dict[str, Any] = {"tensor_parallel_size": 2, "max_model_len": 8192, "max_num_seqs": 16}
    made = plan(request(gpus=(large, small), gpu_memory_utilization=0.9, **flags))
    assert made.verdict == "fits"
    assert made.memory_gib.device_total == pytest.approx(46_068 / 1024)
    assert any("differ in kind" in warning for warning in made.warnings)


@given(st.integers(0, 40))
def test_more_memory_in_use_never_fits_better(used: int) -> None:
    rank = {"fits": 0, "tight": 1, "does_not_fit": 2}
    some, more = (
        rank[plan(request(gpus=(card(memory_used_bytes=gib * GIB),), max_model_len=8192)).verdict]
        for gib in (used, used + 1)
    )
    assert some <= more


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "fits", "10.0 GiB"),
        # The share is checked against the free memory although the bytes decide.
        ({"gpus": (card(memory_used_bytes=20 * GIB),)}, "does_not_fit", "refuses to start"),
        (
            {"gpus": (card(memory_used_bytes=20 * GIB),), "gpu_memory_utilization": 0.6},
            "fits",
            "10.0 GiB",
        ),
        ({"kv_cache_memory_bytes": 100 * GIB}, "does_not_fit", "out of memory"),
        ({"engine_version": "0.10.1"}, "unsupported", "0.10.2"),
    ],
)
def test_kv_memory_in_bytes(changes: dict[str, Any], verdict: str, words: str) -> None:
    flags = {"kv_cache_memory_bytes": 10 * GIB, "max_model_len": 8192} | changes
    made = plan(request(**flags))
    assert made.verdict == verdict
    assert words in made.reason


# --- batch and sequences --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "flags", "settled"),
    [
        ("0.32.0", {}, (8192, 1024)),
        ("0.32.0", {"max_num_batched_tokens": 512}, (512, 512)),
        ("0.10.1", {"max_num_batched_tokens": 512}, (512, 512)),
        # From 0.11.1 the default batch is at most sequences times context.
        ("0.11.2", {"max_num_seqs": 4, "max_model_len": 512}, (2048, 4)),
        ("0.11.0", {"max_num_seqs": 4, "max_model_len": 512}, (8192, 4)),
        ("0.11.2", {"max_model_len": 2}, (2048, 1024)),
        ("0.32.0", {"max_num_seqs": 3000}, (8192, 3000)),
    ],
)
def test_defaults_of_batch_and_sequences(
    version: str, flags: dict[str, Any], settled: tuple[int, int]
) -> None:
    asked = request(engine_version=version, **flags)
    assert batching(asked, parse(version), flags.get("max_model_len", 131_072)) == settled


def test_a_batch_below_the_sequences_is_refused() -> None:
    made = plan(request(max_num_batched_tokens=64, max_num_seqs=256, max_model_len=8192))
    assert made.verdict == "unsupported"
    assert "--max-num-seqs 256" in made.reason


@given(st.integers(1, 5000), st.sampled_from(["0.10.2", "0.19.0", "0.32.0"]), st.integers(1, 9000))
def test_a_recommendation_never_has_a_batch_below_the_sequences(
    users: int, version: str, context: int
) -> None:
    one = card(46_068, "8.9", name="NVIDIA L40S")
    asked = request(gpus=(one,), users=users, engine_version=version, max_model_len=context)
    best = recommend(asked).request
    assert (best.max_num_batched_tokens or 0) >= (best.max_num_seqs or 0) >= users


# --- releases and kernels -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seqs", "version", "gib"),
    [(1024, "0.28.0", 0.0), (1024, "0.29.0", 0.791), (256, "0.32.0", 0.198)],
)
def test_the_second_runner_counts_words_for_every_sequence(
    seqs: int, version: str, gib: float
) -> None:
    asked = request(max_num_seqs=seqs, engine_version=version)
    assert penalties_gib(load_of(asked, settle(asked))) == pytest.approx(gib, abs=0.001)


@pytest.mark.parametrize(
    ("capability", "version", "by", "backend"),
    [
        ("9.0", "0.10.1", "image", "marlin"), ("9.0", "0.10.2", "image", "triton"),
        ("9.0", "0.11.0", "image", "triton"), ("9.0", "0.11.0", "pip", "marlin"),
        ("9.0", "0.11.2", "image", "marlin"), ("9.0", "0.12.0", "image", "triton"),
        ("9.0", "0.12.0", "pip", "marlin"), ("9.0", "0.13.0", "pip", "triton"),
        ("12.0", "0.11.0", "image", "triton"), ("12.0", "0.12.0", "image", "marlin"),
        ("12.1", "0.32.0", "image", "marlin"), ("8.9", "0.11.0", "image", "marlin"),
        ("10.0", "0.11.0", "image", "trtllm"), ("10.0", "0.11.0", "pip", "marlin"),
        ("10.3", "0.11.0", "image", "triton"), ("10.3", "0.12.0", "image", "triton"),
        ("10.3", "0.14.0", "image", "trtllm"), ("10.3", "0.27.0", "image", "trtllm_128"),
        (None, "0.32.0", "image", "marlin"),
    ],
)  # fmt: skip
def test_kernels(capability: str | None, version: str, by: Any, backend: str) -> None:
    assert moe_backend(card(capability=capability, name="x"), parse(version), by) == backend


@pytest.mark.parametrize(
    ("version", "warned"), [("0.33.0", False), ("0.33.2", False), ("0.34", True)]
)
def test_what_is_newer_than_what_was_read_is_said(version: str, warned: bool) -> None:
    made = plan(request(engine_version=version))
    assert any("newer than" in warning for warning in made.warnings) is warned


def test_the_image_is_the_default_and_pip_is_said() -> None:
    made = plan(request(engine_version="0.11.0"))
    assert any("--installed-by pip" in warning for warning in made.warnings)
    by_pip = plan(request(engine_version="0.11.0", installed_by="pip"))
    assert made.memory_gib.kv_cache - by_pip.memory_gib.kv_cache > 4
    assert not any("--installed-by" in w for w in plan(request(engine_version="0.12.0")).warnings)


# --- the longest context --------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.19.0", "0.32.0"])
def test_auto_is_the_longest_context_that_fits(version: str) -> None:
    cards = (card(24_564, "8.9", name="NVIDIA GeForce RTX 4090"),)
    asked = request(gpus=cards, engine_version=version, gpu_memory_utilization=0.72,
                    max_num_batched_tokens=1024, max_num_seqs=4, max_model_len=-1)  # fmt: skip
    made = plan(asked)
    context = made.request.max_model_len or 0
    assert 1024 < context < 131_072
    assert made.verdict != "does_not_fit"
    assert f"{context}" in made.command
    more = plan(msgspec.structs.replace(asked, max_model_len=context + 64))
    assert more.verdict in ("tight", "does_not_fit")
    assert more.kv_cache.max_concurrency < 1 or more.request.max_model_len != context


def test_auto_is_the_whole_context_where_that_fits() -> None:
    assert plan(request(max_model_len=-1)).request.max_model_len == 131_072
    assert recommend(request(max_model_len=-1, users=2)).request.max_model_len == 131_072


# --- corrections ----------------------------------------------------------------------------------


def test_a_correction_of_nothing_is_one() -> None:
    first = plan(request("120b", max_model_len=32_768))
    key = correction_key(first.request)
    again = plan(request("120b", max_model_len=32_768, corrections=((key, 0.0),)))
    assert again.basis["kv_cache"] == "measured"
    assert again.band_gib < first.band_gib
    assert again.memory_gib == first.memory_gib


@pytest.mark.parametrize(
    "changes",
    [{"max_num_seqs": 9}, {"kv_cache_dtype": "fp8"}, {"gpu_memory_utilization": 0.5},
     {"max_num_batched_tokens": 4096}, {"enforce_eager": True}],
)  # fmt: skip
def test_a_correction_is_of_the_flags_that_memory_depends_on(changes: dict[str, Any]) -> None:
    assert correction_key(plan(request()).request) != correction_key(
        plan(request(**changes)).request
    )


# --- cards that are not known, or not whole -------------------------------------------------------


def test_an_unknown_capability_is_said_and_widens_the_band() -> None:
    made = plan(request(gpus=(card(capability=None, name="NVIDIA Tomorrow"),)))
    assert any("not known" in warning for warning in made.warnings)
    assert made.basis["weights"] == "estimated"
    assert made.band_gib > plan(request(engine_version="0.14.0")).band_gib


@pytest.mark.parametrize("name", ["AMD Instinct MI300X", "Apple M3 Max"])
@pytest.mark.parametrize(("engine", "version"), [("vllm", "0.32.0"), ("sglang", "0.5.23")])
def test_other_makers_are_not_covered(name: str, engine: str, version: str) -> None:
    made = plan(
        request(gpus=(card(196_608, None, name=name),), engine=engine, engine_version=version)
    )
    assert (made.verdict, made.fits_requests) == ("unsupported", 0)


def test_a_guessed_reserve_makes_the_budget_an_estimate() -> None:
    known = plan(request(gpus=(card(memory_reserved_bytes=474 * MIB),)))
    guessed = plan(request(gpus=(card(memory_reserved_bytes=474 * MIB, reserved_guessed=True),)))
    assert (known.basis["budget"], guessed.basis["budget"]) == ("exact", "estimated")


def test_a_gpu_in_mig_mode_is_no_candidate() -> None:
    sliced = gpu(0, mig=True)
    chosen, _ = choose(report(gpus=(sliced, gpu(1))), request())
    assert [one.index for one in chosen] == [1]
    assert spare(report(gpus=(sliced, gpu(1))), chosen) == ()
    for ids in ((), ("0",)):
        with pytest.raises(DoesNotFitError, match="MIG mode"):
            choose(report(gpus=(sliced,)), request(), ids)
    found = findings(Probe(report=report(gpus=(sliced,))), None, None)
    assert any("MIG mode" in finding.what for finding in found)


def test_mig_slices_cannot_share_a_model() -> None:
    one = card(40_448, name="NVIDIA H100 80GB HBM3 MIG 3g.40gb")
    assert plan(request(gpus=(one,), max_model_len=8192)).verdict == "fits"
    assert plan(request(gpus=(one,) * 2, max_model_len=8192)).verdict == "unsupported"


def test_unified_memory_is_that_of_the_host() -> None:
    spark = gpu(0, name="NVIDIA GB10", memory_total_bytes=None, compute_capability="12.1")
    assert plan_gpu(spark, 120 * GIB).memory_total_bytes == 120 * GIB
    with pytest.raises(DoesNotFitError, match="does not tell"):
        plan_gpu(spark)
    with pytest.raises(DoesNotFitError, match="does not tell"):
        plan_gpu(gpu(0, memory_total_bytes=None), 120 * GIB)
    _, made = choose(report(gpus=(spark,), memory_total_bytes=120 * GIB), request())
    assert made.verdict == "fits"
    assert any("host's memory" in warning for warning in made.warnings)


def test_a_box_that_does_not_tell_the_capability_is_known_by_its_name() -> None:
    assert plan_gpu(gpu(0, compute_capability=None)).compute_capability == "9.0"


# --- boxes with unequal GPUs ----------------------------------------------------------------------


def _other(index: int, name: str, mib: int, capability: str) -> Gpu:
    return gpu(index, name=name, memory_total_bytes=mib * MIB, compute_capability=capability)


SMALL = _other(0, "NVIDIA GeForce RTX 3090", 24_576, "8.6")


@pytest.mark.parametrize(
    ("model", "users", "indices"), [("120b", 4, [1]), ("120b", 40, [1, 2]), ("20b", 4, [0])]
)
def test_gpus_of_one_kind_are_tried_together(model: str, users: int, indices: list[int]) -> None:
    box = report(gpus=(SMALL, gpu(1), gpu(2)))
    chosen, made = choose(box, request(model, users=users, max_model_len=16_384))
    assert ([one.index for one in chosen], made.verdict) == (indices, "fits")


def test_mixed_sets_come_last_and_take_the_largest() -> None:
    middle = _other(1, "NVIDIA L40S", 46_068, "8.9")
    free = (SMALL, middle, gpu(2), gpu(3))
    tried = [[one.index for one in some] for some in candidates(free, 1)]
    assert tried == [[0], [1], [2]]
    assert [[one.index for one in some] for some in candidates(free, 2)] == [[2, 3]]
    assert [[one.index for one in some] for some in candidates(free[:3], 2)] == [[1, 2]]
    assert list(candidates(free[:1], 2)) == []
