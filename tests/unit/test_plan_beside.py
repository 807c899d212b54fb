"""What stands beside a plan: speed, cost, search, alternatives, other engines, what flags do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptoss_tui.domain.gpu import GIB, MIB
from gptoss_tui.domain.plan.catalogue import HostedPrice, cards, hosted, speeds
from gptoss_tui.domain.plan.complete import Money, complete
from gptoss_tui.domain.plan.cost import cost
from gptoss_tui.domain.plan.device import gpu_of, reserved_bytes
from gptoss_tui.domain.plan.planner import plan
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.search import search
from gptoss_tui.domain.plan.speed import throughput
from tests.unit.make import plan_gpu, request

H100 = "NVIDIA H100 80GB HBM3"


# --- data files -----------------------------------------------------------------------------------


def test_the_catalogue_has_cards_by_the_names_that_nvidia_smi_prints() -> None:
    assert len(cards()) >= 25
    assert len({card.name for card in cards()}) == len(cards())
    for card in cards():
        assert card.mib is None or card.mib > 8000
        for price in card.prices:
            assert price.usd_per_hour > 0
            assert price.source
            assert price.date


def test_every_speed_and_price_has_its_source() -> None:
    assert all(speed.source and speed.date for speed in speeds())
    assert hosted().source
    assert {price.model for price in hosted().prices} == {"20b", "120b"}


# --- speed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run",
    [s for s in speeds() if s.kind != "the guide"],
    ids=lambda s: f"{s.gpus}x{s.gpu}-{s.kind}",
)
def test_published_runs_lie_within_the_band(run: Any) -> None:
    engine = "ollama" if run.engine == "llama.cpp" else run.engine
    made = throughput(run.model, run.gpu, run.gpus, users=run.users, context=700, engine=engine)
    assert made is not None
    band = made.one_user if run.users == 1 else made.all_users
    assert band.low <= run.output_tokens_per_s <= band.high


def test_an_unknown_card_has_no_speed() -> None:
    assert throughput("20b", "NVIDIA Unheard-of", 1, users=1, context=1024) is None


def test_the_guides_table_stands_beside_it() -> None:
    made = throughput("120b", H100, 1, users=64, context=1024)
    assert made is not None
    assert made.guide_tokens_per_s == 1600
    assert 2901 in {run.output_tokens_per_s for run in made.published}


def test_other_engines_have_a_basis_of_their_own() -> None:
    """SGLang's saturated run of 20b on an H100: 2,679 tokens/s. The guide speaks of vLLM only."""
    made = throughput("20b", H100, 1, users=256, context=700, engine="sglang")
    assert made is not None
    assert made.all_users.low <= 2679 <= made.all_users.high
    assert made.guide_tokens_per_s is None
    assert "SGLang" in made.basis
    assert {run.engine for run in made.published} <= {"sglang"}


def test_ollama_is_as_fast_as_one_of_its_cards() -> None:
    one, four = (
        throughput("20b", H100, count, users=8, context=4096, engine="ollama") for count in (1, 4)
    )
    assert one is not None
    assert four is not None
    assert four.all_users == one.all_users
    shared = throughput("20b", H100, 4, users=8, context=4096)
    assert shared is not None
    assert shared.all_users.expected > four.all_users.expected


@given(st.integers(1, 512), st.integers(256, 131_072))
def test_more_users_give_more_together_and_less_each(users: int, context: int) -> None:
    few = throughput("20b", H100, 1, users=users, context=context)
    more = throughput("20b", H100, 1, users=users + 1, context=context)
    assert few is not None
    assert more is not None
    assert more.all_users.expected / (users + 1) <= few.all_users.expected / users + 1e-9


# --- cost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid", "million", "monthly"),
    [
        (("20b", "NVIDIA A100-SXM4-80GB", 1.08, 1200.0), 0.357, 788.4),
        (("120b", H100, 2.40, 1600.0), 0.595, 1752.0),
    ],
)
def test_the_guides_sums_come_out_and_the_truth_beside_them(
    paid: tuple[str, str, float, float], million: float, monthly: float
) -> None:
    """The guide: 3.6 and 6 dollars for 10 million tokens. Always on, they cost 788 and 1,752."""
    model, gpu, usd, speed = paid
    made = cost(
        model, gpu, 1, output_tokens_per_s=speed, usd_per_hour=usd, tokens_per_month=10_000_000
    )
    assert made is not None
    assert made.usd_per_m_output_tokens == pytest.approx(million, abs=0.001)
    assert made.guide_usd_per_m == pytest.approx(million, abs=0.001)
    assert made.always_on_usd_per_month == pytest.approx(monthly)
    assert made.always_on_usd_per_m == pytest.approx(monthly / 10)


def test_every_way_to_pay_has_a_price_for_a_million() -> None:
    """An H100 for 2.40 (spot 0.80) at 5,000 tokens/s, 70 % busy."""
    made = cost("120b", H100, 1, output_tokens_per_s=5000, usd_per_hour=2.40)
    assert made is not None
    hour = 5000 * 3600 / 1e6
    assert made.on_demand_usd_per_m == pytest.approx(2.40 / hour)
    assert made.usd_per_m_output_tokens == pytest.approx(2.40 / hour / 0.7)
    assert made.spot_usd_per_m == pytest.approx(0.80 / hour / 0.7)


def test_an_offer_of_ones_own_replaces_the_hosted_prices() -> None:
    offer = HostedPrice(model="120b", provider="x", usd_per_m_input=1.0, usd_per_m_output=1.0)
    made = cost("120b", H100, 1, output_tokens_per_s=5000, usd_per_hour=1.0, offer=offer)
    assert made is not None
    [row] = made.breakeven
    assert row.provider == "x"
    assert row.tokens_per_month == pytest.approx(730e6)
    assert made.hosted_source == "given by hand"


def test_breaking_even_against_hosted_prices() -> None:
    """120b on an H100 for 2.69 an hour against 0.15 and 0.60: 7.5 billion tokens a month."""
    made = cost("120b", H100, 1, output_tokens_per_s=5000, usd_per_hour=2.69)
    assert made is not None
    offer = next(row for row in made.breakeven if row.usd_per_m_tokens == pytest.approx(0.2625))
    assert offer.tokens_per_month / 1e9 == pytest.approx(7.5, abs=0.05)


def test_without_a_price_there_is_no_cost() -> None:
    assert cost("20b", "NVIDIA GB200", 1, output_tokens_per_s=100) is None
    given_one = cost("20b", "NVIDIA GB200", 1, output_tokens_per_s=100, usd_per_hour=3.0)
    assert given_one is not None
    assert given_one.usd_per_hour == 3.0


# --- the other direction --------------------------------------------------------------------------


def test_the_search_ranks_by_price_and_holds_what_was_asked_for() -> None:
    found = search(request("120b", users=64, max_model_len=8192))
    prices = [made.usd_per_hour for made in found]
    assert found
    assert prices == sorted(price for price in prices if price is not None)
    for made in found:
        assert made.holds >= 64
        assert made.gpus == made.replicas * made.tensor_parallel_size <= 8
        assert made.verdict in ("fits", "tight")
    assert all(made.loses.startswith("the next one") for made in found[:-1])


def test_replicas_are_counted_where_one_server_is_too_small() -> None:
    [card] = [card for card in cards() if card.name == "NVIDIA L40S"]
    found = search(request("20b", users=40, max_model_len=131_072), among=[card])
    assert found
    assert found[0].gpus > 1


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_search_keeps_to_the_size_and_the_box_that_were_given(size: int) -> None:
    asked = request("20b", users=40, max_model_len=32_768, tensor_parallel_size=size)
    found = search(asked, gpus_at_most=4)
    assert found
    assert {made.tensor_parallel_size for made in found} == {size}
    assert max(made.gpus for made in found) <= 4


def test_the_search_for_ollama_spreads_layers() -> None:
    found = search(
        request("120b", engine="ollama", engine_version="0.13.3", users=4, max_model_len=8192)
    )
    many = next(made for made in found if made.gpus // made.replicas > 1)
    assert many.tensor_parallel_size == 1
    one = throughput("120b", many.gpu, 1, users=1, context=8192, engine="ollama")
    assert many.tokens_per_s is not None
    assert one is not None


def test_too_much_is_found_nowhere() -> None:
    assert search(request("120b", users=100_000, max_model_len=131_072)) == ()


# --- alternatives ---------------------------------------------------------------------------------


def test_what_fits_needs_no_alternative() -> None:
    asked = request(max_model_len=8192)
    assert complete(asked, recommend(asked)).alternatives == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "120b", "max_model_len": 131_072, "users": 4},
        {"model": "120b", "gpus": (plan_gpu(24_564, "8.9", name="NVIDIA GeForce RTX 4090"),)},
        {"model": "20b", "gpus": (plan_gpu(16_380, "8.9", name="x"),), "max_model_len": 131_072},
        {"model": "20b", "gpu_memory_utilization": 0.2},
        {"model": "20b", "checkpoint": "bf16", "gpus": (plan_gpu(24_564, "8.9", name="x"),)},
    ],
)
def test_alternatives_fit_when_they_are_planned(changes: dict[str, Any]) -> None:
    model = changes.pop("model")
    asked = request(model, **changes)
    made = complete(asked, recommend(asked))
    assert made.verdict != "fits"
    assert made.alternatives
    assert all(other.verdict in ("fits", "tight") for other in made.alternatives)
    assert all(other.fits_requests >= 1 for other in made.alternatives)


def test_the_context_proposed_is_the_largest_that_fits() -> None:
    asked = request("120b", max_model_len=131_072, users=4)
    made = complete(asked, recommend(asked))
    flags = next(o.flags for o in made.alternatives if o.flags[:1] == ("--max-model-len",))
    context = int(flags[1])
    again = msgspec.structs.replace(asked, max_model_len=context)
    more = msgspec.structs.replace(asked, max_model_len=context + 1024)
    assert recommend(again).verdict == "fits"
    assert recommend(more).verdict != "fits"


def test_spare_gpus_of_the_box_are_proposed() -> None:
    asked = request("120b", max_model_len=131_072, users=4)
    made = complete(asked, recommend(asked), spare=(plan_gpu(index=1), plan_gpu(index=2)))
    assert ("--gpu-ids", "0,1") in {other.flags[:2] for other in made.alternatives}


@pytest.mark.parametrize(("used", "offered"), [(0, False), (20, True), (60, True)])
def test_beside_others_the_memory_that_is_free_is_proposed(used: int, offered: bool) -> None:
    asked = request(gpus=(plan_gpu(memory_used_bytes=used * GIB),), max_model_len=8192, users=1)
    made = complete(asked, recommend(asked))
    found = [o.flags for o in made.alternatives if o.change == "only the memory that is free"]
    assert bool(found) is offered
    for flags in found:
        share = float(flags[flags.index("--gpu-memory-utilization") + 1])
        again = msgspec.structs.replace(asked, gpu_memory_utilization=share)
        assert recommend(again).verdict in ("fits", "tight")


def test_money_of_the_users_own() -> None:
    asked = request(max_model_len=8192)
    made = complete(asked, recommend(asked), money=Money(usd_per_hour=10, utilization=0.5))
    assert made.cost is not None
    assert (made.cost.usd_per_hour, made.cost.utilization) == (10, 0.5)


# --- checkpoints and flags ------------------------------------------------------------------------


def test_a_bf16_checkpoint_is_three_times_as_large() -> None:
    made = plan(request("120b", 4, checkpoint="bf16", max_model_len=8192))
    assert made.memory_gib.weights == pytest.approx(54.4, abs=0.1)
    assert made.command[0].endswith("BF16")
    assert any("no BF16 checkpoint" in warning for warning in made.warnings)
    assert plan(request("20b", checkpoint="bf16")).memory_gib.weights == pytest.approx(39, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({"quantization": "fp8", "engine_version": "0.19.0"}, "unsupported", "does not match"),
        ({"quantization": "fp8", "engine_version": "0.20.0"}, "fits", "changes nothing"),
        ({"quantization": "mxfp4"}, "fits", "not needed"),
        ({"dtype": "bfloat16"}, "fits", "changes nothing"),
        ({"dtype": "float16"}, "unsupported", "not supported"),
    ],
)
def test_what_the_guides_flags_really_do(changes: dict[str, Any], verdict: str, words: str) -> None:
    made = plan(request(max_model_len=8192, max_num_seqs=8, **changes))
    assert made.verdict == verdict
    assert words in " ".join((made.reason, *made.warnings))


@pytest.mark.parametrize(
    ("version", "capability", "refused"),
    [
        ("0.10.1", "8.9", True), ("0.10.2", "8.9", True), ("0.11.0", "8.9", False),
        ("0.10.2", "9.0", False), ("0.10.2", "10.0", False), ("0.10.2", "10.3", True),
        ("0.10.2", "12.0", True), ("0.12.0", "12.0", False), ("0.12.0", "8.6", True),
    ],
)  # fmt: skip
def test_fp8_caches_by_release(version: str, capability: str, refused: bool) -> None:
    card = plan_gpu(183_359, capability, name="x")
    made = plan(
        request(gpus=(card,), engine_version=version, kv_cache_dtype="fp8", max_model_len=8192)
    )
    assert (made.verdict == "unsupported") is refused


def test_fp8_caches_need_ada() -> None:
    old = plan(request(gpus=(plan_gpu(24_576, "8.6"),), kv_cache_dtype="fp8"))
    assert old.verdict == "unsupported"
    assert "8.9" in old.reason
    assert plan(request(kv_cache_dtype="fp8")).verdict != "unsupported"


# --- what CUDA sees -------------------------------------------------------------------------------


def test_the_driver_keeps_some_memory() -> None:
    """Measured on an H200: 143,771 MiB of which 616 are kept; CUDA saw 150,109,880,320 bytes."""
    kept = reserved_bytes("NVIDIA H200", 143_771 * MIB)
    assert 143_771 * MIB - kept == pytest.approx(150_109_880_320, abs=MIB)
    # What an engine printed is what CUDA sees already, to its two decimals.
    assert reserved_bytes(H100, round(79.19 * GIB)) < 0.01 * GIB
    assert reserved_bytes(H100, round(79.18 * GIB)) == 0
    assert 0 < reserved_bytes("NVIDIA Unheard-of", 24 * GIB) < GIB


@pytest.mark.parametrize(
    ("name", "mib", "visible_gib"),
    [("NVIDIA L40S", 46_068, 44.39), ("Tesla T4", 15_360, 14.56), ("NVIDIA H200", 143_771, 139.80)],
)
def test_what_engines_print_of_a_card(name: str, mib: int, visible_gib: float) -> None:
    visible = mib * MIB - reserved_bytes(name, mib * MIB)
    assert visible / GIB == pytest.approx(visible_gib, abs=0.01)


@given(st.sampled_from(cards()), st.integers(8_000, 300_000), st.integers(0, 3_000))
def test_more_memory_is_never_less_to_cuda(card: Any, mib: int, more: int) -> None:
    seen = [total - reserved_bytes(card.name, total) for total in (mib * MIB, (mib + more) * MIB)]
    assert 0 < seen[0] <= seen[1]


def test_a_card_of_the_catalogue_is_free_and_whole() -> None:
    card = next(card for card in cards() if card.name == H100)
    gpu = gpu_of(card, 3)
    assert (gpu.index, gpu.memory_used_bytes, gpu.compute_capability) == (3, 0, "9.0")


def test_where_nothing_fits_the_flags_that_hold_most_say_how_many_would() -> None:
    asked = request("120b", max_model_len=32_768, users=30)
    made = complete(asked, recommend(asked))
    most = int(made.kv_cache.max_concurrency)
    assert f"with these flags {most} do." in made.reason
    fewer = next(other for other in made.alternatives if other.flags[0] == "--users")
    assert fewer.flags[1] == str(most)
    assert recommend(request("120b", max_model_len=32_768, users=most + 1)).serves is False
