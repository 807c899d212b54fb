"""The planner's rules: verdicts, the guide's cases, and what must hold for every request."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.plan.catalogue import card_named, cards
from gptoss_tui.domain.plan.complete import complete
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.types import PlanRequest
from gptoss_tui.domain.plan.versions import default_batching, parse
from gptoss_tui.domain.plan.wrong import PlanInputError
from gptoss_tui.errors import UsageError
from tests.unit.make import H100_MIB, L4_MIB, T4_MIB, plan_gpu, request

A100 = plan_gpu(81920, "8.0", name="NVIDIA A100-SXM4-80GB")
RTX_4090 = plan_gpu(24564, "8.9", name="NVIDIA GeForce RTX 4090")


# --- the guide's cases --------------------------------------------------------------------------


def test_20b_on_an_a100_as_the_guide_launches_it() -> None:
    made = plan(
        PlanRequest(
            model="20b", gpus=(A100,), gpu_memory_utilization=0.90, max_model_len=32768,
            max_num_seqs=256,
        )
    )  # fmt: skip
    assert made.verdict == "fits"
    # The guide says 42 GB of weights (BF16); the published checkpoint is MXFP4.
    assert made.memory_gib.weights == pytest.approx(13.7, abs=0.1)
    assert made.request.max_num_batched_tokens == 2048
    assert made.fits_requests > 40


def test_20b_on_a_24_gb_card() -> None:
    made = plan(
        PlanRequest(model="20b", gpus=(RTX_4090,), gpu_memory_utilization=0.92, max_model_len=16384)
    )
    assert made.verdict == "fits"
    assert "--quantization" not in made.command


def test_120b_on_one_h100_leaves_less_than_the_guide_says() -> None:
    """The guide: 0.92 of an H100 leave 13 GB for the KV cache, for 20 to 40 requests of 1K."""
    made = plan(request("120b", gpu_memory_utilization=0.92, max_model_len=32768, max_num_seqs=64))
    assert 5 < made.memory_gib.kv_cache < 12
    assert made.verdict in ("fits", "tight")


def test_120b_on_four_h100() -> None:
    made = plan(request("120b", 4, gpu_memory_utilization=0.90, max_model_len=32768))
    assert (made.verdict, made.tensor_parallel_size) == ("fits", 4)
    # Four GPUs hold the MXFP4 checkpoint once: the guide counts 240 GB of BF16.
    assert made.memory_gib.weights < 20


@pytest.mark.parametrize(("version", "times"), [("0.13.0", 2), ("0.14.0", 1), ("0.32.0", 1)])
def test_the_download(version: str, times: int) -> None:
    assert plan(request(engine_version=version)).download_bytes == times * 13_761_264_768
    made = plan(request("120b", 2, engine_version=version))
    assert made.download_bytes == times * 65_248_815_744
    assert any("twice" in warning for warning in made.warnings) is (times == 2)
    assert made.disk_bytes > made.download_bytes


# --- verdicts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("capability", ["7.0", "7.5"])
def test_old_cards_are_unsupported(capability: str) -> None:
    made = plan(request(gpus=(plan_gpu(32768, capability),)))
    assert (made.verdict, made.fits_requests) == ("unsupported", 0)
    assert "8.0" in made.reason


def test_an_unknown_capability_is_not_refused() -> None:
    assert plan(request(gpus=(plan_gpu(capability=None),))).verdict != "unsupported"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"gpus": (plan_gpu(T4_MIB, "8.6"),)}, "Weights"),
        ({"gpus": (plan_gpu(L4_MIB, "8.9"),), "max_model_len": 131_072, "users": 50}, "at once"),
        ({"gpus": (plan_gpu(memory_used_bytes=40 * GIB),)}, "refuses to start"),
        ({"kv_cache_memory_bytes": GIB}, "One request"),
    ],
)
def test_what_does_not_fit_says_why(changes: dict[str, Any], word: str) -> None:
    made = plan(request(**changes))
    assert (made.verdict, made.fits_requests) == ("does_not_fit", 0)
    assert word in made.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "7b"}, {"gpus": ()}, {"engine": "tgi"}, {"engine_version": "latest"},
        {"engine_version": "0.9.2"}, {"max_model_len": 0}, {"max_model_len": 131_073},
        {"max_num_seqs": 0}, {"max_num_batched_tokens": -1}, {"gpu_memory_utilization": 0.0},
        {"gpu_memory_utilization": 1.01}, {"gpu_memory_utilization": float("nan")}, {"users": 0},
        {"kv_cache_memory_bytes": 0}, {"kv_cache_dtype": "int4"}, {"tensor_parallel_size": 3},
        {"tensor_parallel_size": 2}, {"gpus": (plan_gpu(0),)},
        {"gpus": (plan_gpu(memory_used_bytes=-1),)}, {"gpus": (plan_gpu(),) * 17},
        {"gpus": (plan_gpu(2**24),)}, {"block_size": 1}, {"block_size": 24}, {"dtype": "nonsense"},
        {"max_num_seqs": 999_999_999}, {"max_num_batched_tokens": 10**12}, {"users": 10**9},
        {"kv_cache_memory_bytes": 10**18}, {"max_model_len": -2}, {"installed_by": "conda"},
        {"engine_version": "0.32.0x"}, {"engine_version": "0.10.1junk"}, {"engine_version": ""},
        {"kv_cache_dtype": "q8_0"}, {"engine": "ollama", "engine_version": "0.13.3",
                                     "kv_cache_dtype": "fp8"},
        {"engine": "sglang", "engine_version": "newest"},
        {"engine": "ollama", "engine_version": "newest"},
        {"engine": "sglang", "engine_version": "0.5.23", "max_model_len": -1},
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_words(changes: dict[str, Any]) -> None:
    with pytest.raises(PlanInputError) as refusal:
        plan(msgspec.structs.replace(request(), **changes))
    assert refusal.value.message.endswith(".")
    assert isinstance(refusal.value, UsageError)


def test_all_nonsense_is_said_at_once() -> None:
    with pytest.raises(PlanInputError) as refusal:
        plan(request(max_model_len=200_000, users=0, block_size=17))
    for words in ("131,072 tokens at most.", "0 users make no sense.", "A block of 17 tokens"):
        assert words in str(refusal.value)


def test_how_many_fit_is_told_in_whole_numbers_and_one_word() -> None:
    made = recommend(request(users=5000, max_model_len=32_768))
    held = int(made.kv_cache.max_concurrency)
    assert made.reason == (
        f"5,000 users with 32,768 tokens each do not fit at once: with these flags {held} do."
    )
    others = complete(request(users=5000, max_model_len=32_768), made, box=True).alternatives
    assert [other.change for other in others] == [f"{held} users at once"]
    assert others[0].fits_requests >= held
    fits = recommend(request(users=8, max_model_len=32_768))
    assert f" hold {int(fits.kv_cache.max_concurrency)} requests of 32,768 tokens" in fits.reason


@pytest.mark.parametrize("name", ["20b", "gpt-oss-20b", "openai/gpt-oss-20b", "OpenAI/GPT-OSS-20B"])
def test_a_model_by_any_of_its_names(name: str) -> None:
    assert plan(request(name)).command[0] == "openai/gpt-oss-20b"


# --- what must hold for every request ------------------------------------------------------------

REQUESTS = st.builds(
    PlanRequest,
    model=st.sampled_from(["20b", "120b"]),
    gpus=st.builds(
        lambda gpu, count: (gpu,) * count,
        st.builds(
            plan_gpu,
            st.integers(12_000, 190_000),
            st.sampled_from([None, "8.0", "8.6", "8.9", "9.0", "10.0", "12.0"]),
            memory_used_bytes=st.integers(0, 8 * GIB),
        ),
        st.sampled_from([1, 2, 4, 8]),
    ),
    engine_version=st.sampled_from(
        ["0.10.1", "0.11.2", "0.14.0", "0.19.1", "0.20.0", "0.25.1", "0.26.0", "0.29.0", "0.33.0"]
    ),
    max_model_len=st.none() | st.integers(1, 131_072),
    users=st.none() | st.integers(1, 400),
    max_num_seqs=st.none() | st.integers(1, 1024),
    max_num_batched_tokens=st.none() | st.integers(256, 32_768),
    gpu_memory_utilization=st.none() | st.floats(0.3, 1.0),
    kv_cache_dtype=st.sampled_from([None, "auto", "fp8"]),
    enforce_eager=st.booleans(),
)


@given(REQUESTS)
def test_the_parts_of_the_budget_add_up(made_for: PlanRequest) -> None:
    parts = plan(made_for).memory_gib
    total = parts.weights + parts.buffers + parts.kv_cache
    assert total == pytest.approx(parts.budget, abs=1e-6)
    assert None not in (parts.activation, parts.non_torch, parts.cuda_graphs)
    assert parts.budget <= parts.device_total + 1e-6
    assert min(parts.weights, parts.buffers, parts.outside_budget) >= 0


@given(REQUESTS, st.integers(1, 131_072), st.integers(1, 131_072))
def test_more_context_never_fits_more_requests(made_for: PlanRequest, a: int, b: int) -> None:
    free = msgspec.structs.replace(made_for, users=None)
    short, long = (
        plan(msgspec.structs.replace(free, max_model_len=length)) for length in sorted((a, b))
    )
    assert long.kv_cache.max_concurrency <= short.kv_cache.max_concurrency
    assert long.fits_requests <= short.fits_requests


@given(REQUESTS, st.integers(0, 60_000))
def test_a_larger_card_never_fits_less(made_for: PlanRequest, extra: int) -> None:
    fixed = plan(made_for).request  # with the defaults, which depend on the card, written out
    larger = msgspec.structs.replace(
        fixed,
        gpus=tuple(
            msgspec.structs.replace(gpu, memory_total_bytes=gpu.memory_total_bytes + extra * MIB)
            for gpu in fixed.gpus
        ),
    )
    before, after = plan(fixed), plan(larger)
    assert after.memory_gib.kv_cache >= before.memory_gib.kv_cache - 1e-6
    assert after.fits_requests >= before.fits_requests


@given(REQUESTS)
def test_fp8_never_fits_less(made_for: PlanRequest) -> None:
    half = plan(msgspec.structs.replace(made_for, kv_cache_dtype="fp8"))
    full = plan(msgspec.structs.replace(made_for, kv_cache_dtype=None))
    assert half.kv_cache.blocks >= full.kv_cache.blocks
    if half.verdict != "unsupported":  # the card's attention may not have it at all
        assert half.fits_requests >= full.fits_requests


@given(REQUESTS)
def test_planning_the_filled_request_gives_the_same_plan(made_for: PlanRequest) -> None:
    made = plan(made_for)
    assert plan(made.request) == made


@given(REQUESTS)
def test_the_command_says_every_figure(made_for: PlanRequest) -> None:
    made = plan(made_for)
    words = dict(zip(made.command, [*made.command[1:], ""], strict=True))
    assert words["--max-model-len"] == str(made.request.max_model_len)
    assert words["--max-num-seqs"] == str(made.request.max_num_seqs)
    assert words["--max-num-batched-tokens"] == str(made.request.max_num_batched_tokens)
    said = float(words["--gpu-memory-utilization"])
    assert made.request.gpu_memory_utilization == pytest.approx(said, rel=1e-5)
    assert ("--tensor-parallel-size" in words) is (made.tensor_parallel_size > 1)
    assert ("--enforce-eager" in words) is made_for.enforce_eager
    version = parse(made.request.engine_version)
    assert ("--shutdown-timeout" in words) is (version >= (0, 18, 0))


_RANK = {"fits": 0, "tight": 1, "does_not_fit": 2, "unsupported": 3}


@settings(max_examples=60)
@given(REQUESTS)
def test_a_recommendation_is_never_worse_and_keeps_what_was_said(made_for: PlanRequest) -> None:
    best, plain = recommend(made_for), plan(made_for)
    assert _RANK[best.verdict] <= _RANK[plain.verdict]
    for name in made_for.__struct_fields__:
        said = getattr(made_for, name)
        if said is not None:
            assert getattr(best.request, name) == said, name


@settings(max_examples=60)
@given(REQUESTS)
def test_a_recommendation_lets_all_users_in_at_once(made_for: PlanRequest) -> None:
    best = recommend(msgspec.structs.replace(made_for, max_num_seqs=None))
    assert (best.request.max_num_seqs or 0) >= (made_for.users or 1)
    if best.verdict in ("fits", "tight"):
        assert best.fits_requests >= (made_for.users or 1)


def test_fewer_sequences_than_users_is_said() -> None:
    made = plan(request(users=50, max_num_seqs=8, max_model_len=1024))
    assert made.fits_requests == 8
    assert any("50 users will wait" in warning for warning in made.warnings)


def test_a_recommendation_finds_room_for_120b_on_one_h100() -> None:
    best = recommend(request("120b", users=4, max_model_len=32768))
    assert best.verdict == "fits"
    assert best.fits_requests >= 4
    assert best.request.max_num_seqs == 8


# --- versions and cards --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "version"),
    [("0.32.0", (0, 32, 0)), ("v0.25.1", (0, 25, 1)), ("0.25", (0, 25, 0)),
     ("0.26.1rc1.dev156", (0, 26, 1)), ("0.20.0-cu129", (0, 20, 0)),
     ("0.10.1+gptoss", (0, 10, 1)), ("0.27.1-cu129-ubuntu2404", (0, 27, 1))],
)  # fmt: skip
def test_versions(text: str, version: tuple[int, int, int]) -> None:
    assert parse(text) == version


@pytest.mark.parametrize(
    ("version", "gib", "name", "defaults"),
    [
        ("0.19.0", 79.2, "NVIDIA H100 80GB HBM3", (8192, 1024)),
        ("0.19.0", 79.2, "NVIDIA A100-SXM4-80GB", (2048, 256)),
        ("0.19.0", 22.5, "NVIDIA L4", (2048, 256)),
        ("0.27.0", 179.0, "NVIDIA B200", (8192, 1024)),
        ("0.28.0", 179.0, "NVIDIA B200", (16384, 1024)),
        ("0.28.0", 119.7, "NVIDIA GB10", (8192, 1024)),
        ("0.33.0", 119.7, "NVIDIA GB10", (2048, 256)),
    ],
)
def test_default_batching(version: str, gib: float, name: str, defaults: tuple[int, int]) -> None:
    assert default_batching(parse(version), round(gib * GIB), name) == defaults


@pytest.mark.parametrize(
    ("version", "utilization"), [("0.19.1", 0.90), ("0.20.0", 0.92), ("0.33.0", 0.92)]
)
def test_default_utilization(version: str, utilization: float) -> None:
    assert plan(request(engine_version=version)).request.gpu_memory_utilization == utilization


def test_the_catalogue_holds_cards_that_make_sense() -> None:
    assert len({card.name for card in cards()}) == len(cards()) > 10
    for card in cards():
        assert card.mib is None or 1000 < card.mib < 400_000
        assert card.compute_capability is None or "." in card.compute_capability
    assert card_named("h100 80gb hbm3") == card_named("NVIDIA H100 80GB HBM3") is not None
    assert card_named("H100 of nobody") is None
    h100 = card_named("NVIDIA H100 80GB HBM3")
    assert h100 is not None
    assert h100.mib == H100_MIB


@given(REQUESTS)
def test_more_gpus_never_hold_fewer_tokens(made_for: PlanRequest) -> None:
    """All flags explicit, for the defaults jump; memory in use would hide what is compared."""
    card = msgspec.structs.replace(made_for.gpus[0], memory_used_bytes=0)
    fixed = msgspec.structs.replace(made_for, gpus=(card,), tensor_parallel_size=1, users=None)
    fixed = plan(fixed).request
    tokens = [
        plan(
            msgspec.structs.replace(fixed, gpus=(card,) * size, tensor_parallel_size=size)
        ).kv_cache.tokens
        for size in (1, 2, 4, 8)
    ]
    assert tokens == sorted(tokens)
