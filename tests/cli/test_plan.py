"""`plan` for a card by its name: no box is asked, and scripts get the whole plan."""

from __future__ import annotations

import pytest

from gptoss_tui.cli.words import byte_count
from tests.cli.conftest import Cli


def test_a_card_of_the_catalogue_needs_no_box(cli: Cli) -> None:
    plan = cli("plan", "--gpu", "NVIDIA L40S", "--json").document
    assert plan["verdict"] == "fits"
    assert plan["reason"]
    assert plan["request"]["gpus"][0]["memory_total_bytes"] == 46068 * 1024**2
    # Left out: the engine's own default, which is all that the model can.
    assert plan["request"]["max_model_len"] == 131_072
    assert plan["command"][0] == "openai/gpt-oss-20b"
    assert plan["kv_cache"]["tokens"] > 0
    assert plan["memory_gib"]["weights"] > 10


def test_a_plan_for_people_is_a_page(cli: Cli) -> None:
    result = cli("plan", "--gpu", "NVIDIA H100 80GB HBM3", "--gpus", "2", "--model", "120b")
    assert result.code == 0
    assert "120b on 2 x NVIDIA H100 80GB HBM3, vllm 0.32.0" in result.out
    assert "GiB a GPU: " in result.out
    assert "vllm serve openai/gpt-oss-120b" in result.out
    assert "--tensor-parallel-size 2" in result.out
    assert result.err == ""


def test_what_does_not_fit_ends_with_five_and_says_why(cli: Cli) -> None:
    result = cli("plan", "--gpu", "NVIDIA GeForce RTX 4090", "--model", "120b", "--json")
    assert result.code == 5
    assert result.document["verdict"] == "does_not_fit"
    assert result.document["reason"].endswith(".")


def test_an_unknown_card_is_planned_by_its_memory(cli: Cli) -> None:
    words = ("--gpu", "NVIDIA Tomorrow", "--gpu-memory-mib", "98304", "--compute-capability", "9.0")
    plan = cli("plan", *words, "--json").document
    assert plan["verdict"] == "fits"
    assert plan["request"]["gpus"][0]["name"] == "NVIDIA Tomorrow"


def test_a_card_that_is_too_old_is_unsupported(cli: Cli) -> None:
    words = ("--gpu", "Tesla V100", "--gpu-memory-mib", "32768", "--compute-capability", "7.0")
    result = cli("plan", *words, "--json")
    assert (result.code, result.document["verdict"]) == (5, "unsupported")


@pytest.mark.parametrize(
    ("flag", "value", "field"),
    [
        ("--context", "8192", "max_model_len"),
        ("--max-num-seqs", "32", "max_num_seqs"),
        ("--max-num-batched-tokens", "4096", "max_num_batched_tokens"),
        ("--users", "8", "users"),
    ],
)
def test_flags_reach_the_plan(cli: Cli, flag: str, value: str, field: str) -> None:
    plan = cli("plan", "--gpu", "NVIDIA H200", flag, value, "--json").document
    assert plan["request"][field] == int(value)


def test_a_box_and_a_card_exclude_each_other(cli: Cli) -> None:
    result = cli("plan", "sim-1", "--gpu", "NVIDIA L40S")
    assert (result.code, result.out) == (2, "")
    assert "exclude each other" in result.err


def test_with_users_the_flags_are_chosen(cli: Cli) -> None:
    chosen = cli("plan", "--gpu", "NVIDIA L40S", "--users", "4", "--json").document["request"]
    assert (chosen["max_model_len"], chosen["max_num_seqs"]) == (32_768, 8)


def test_users_alone_search_the_catalogue(cli: Cli) -> None:
    found = cli("plan", "--model", "120b", "--users", "64", "--context", "8192", "--json").document
    assert (found["verdict"], found["users"], found["context"]) == ("fits", 64, 8192)
    prices = [made["usd_per_hour"] for made in found["arrangements"]]
    assert prices == sorted(prices)
    assert all(made["holds"] >= 64 for made in found["arrangements"])


def test_what_stands_beside_a_plan(cli: Cli) -> None:
    plan = cli("plan", "--gpu", "NVIDIA H100 80GB HBM3", "--model", "120b", "--usd-per-hour", "3",
               "--tokens-per-month", "1e9", "--json").document  # fmt: skip
    assert plan["throughput"]["all_users"]["expected"] > 0
    assert plan["cost"]["usd_per_hour"] == 3
    assert plan["cost"]["always_on_usd_per_m"] == pytest.approx(3 * 730 / 1000)
    assert {"fits", "tight"} >= {other["verdict"] for other in plan["alternatives"]}


@pytest.mark.parametrize(
    ("card", "flags"),
    [
        (("--gpu", "NVIDIA L40S"), ()),
        (("--gpu", "NVIDIA L40S"), ("--users", "4")),
        (("--gpu", "NVIDIA L40S"), ("--users", "3000", "--context", "256")),
        (("--gpu", "NVIDIA L40S"), ("--kv-cache-memory-bytes", "5G", "--block-size", "64")),
        (("--gpu", "NVIDIA H200", "--gpus", "8"), ("--gpu-memory-utilization", "0.8123456789")),
        (("--gpu", "NVIDIA H200", "--gpus", "2"), ("--enforce-eager", "--no-async-scheduling")),
        (("--gpu", "NVIDIA H200"), ("--kv-cache-dtype", "fp8", "--max-num-batched-tokens", "512")),
        (
            ("--gpu", "NVIDIA H200"),
            ("--disable-hybrid-kv-cache-manager", "--max-model-len", "auto"),
        ),
        (("--gpu", "NVIDIA H200", "--engine-version", "0.10.1"), ("--model", "120b")),
    ],
)
def test_the_flags_of_a_plan_give_the_same_plan(
    cli: Cli, card: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    first = cli("plan", *card, *flags, "--json").document
    model, *command = first["command"]
    again = cli("plan", *card, "--model", model, *command, "--json").document
    same = ["memory_gib", "kv_cache", "command", "band_gib", "basis"]
    if first["request"]["users"] is None:  # the flags do not say how many users there are
        same.append("verdict")
    assert {name: again[name] for name in same} == {name: first[name] for name in same}


def test_the_longest_context_can_be_asked_for(cli: Cli) -> None:
    words = ("--gpu", "NVIDIA L4", "--gpu-memory-utilization", "0.75", "--max-num-seqs", "8")
    for auto in (("--max-model-len", "auto"), ("--context", "-1")):
        made = cli("plan", *words, *auto, "--json").document
        assert 1024 < made["request"]["max_model_len"] < 131_072
        assert made["kv_cache"]["max_concurrency"] >= 1


def test_a_short_name_has_the_capability_that_all_of_its_cards_have(cli: Cli) -> None:
    short = cli("plan", "--gpu", "H100", "--gpu-memory-mib", "81559", "--json").document
    whole = cli("plan", "--gpu", "NVIDIA H100 80GB HBM3", "--json").document
    assert short["request"]["gpus"][0]["compute_capability"] == "9.0"
    assert short["memory_gib"]["weights"] == whole["memory_gib"]["weights"]
    odd = cli("plan", "--gpu", "NVIDIA Tomorrow", "--gpu-memory-mib", "81559", "--json").document
    assert any("Ampere" in warning for warning in odd["warnings"])


def test_a_mig_slice_is_planned_by_its_memory(cli: Cli) -> None:
    slice_ = ("--gpu", "NVIDIA H100 80GB HBM3 MIG 3g.40gb")
    made = cli("plan", *slice_, "--gpu-memory-mib", "40448", "--json").document
    assert (made["verdict"], made["request"]["gpus"][0]["compute_capability"]) == ("fits", "9.0")
    assert cli("plan", *slice_).code == 2


def test_a_search_keeps_to_what_was_given(cli: Cli) -> None:
    words = ("--users", "40", "--context", "32k", "--tensor-parallel-size", "2", "--gpus", "2")
    found = cli("plan", *words, "--json").document
    assert {made["tensor_parallel_size"] for made in found["arrangements"]} == {2}
    assert {made["gpus"] for made in found["arrangements"]} == {2}
    assert found["reason"].endswith(".")
    assert (found["warnings"], found["alternatives"]) == ([], [])
    half, full = (
        cli("plan", *words, "--busy", busy, "--json").document["arrangements"][0]
        for busy in ("0.5", "1")
    )
    assert half["usd_per_m_output_tokens"] == pytest.approx(2 * full["usd_per_m_output_tokens"])


def test_a_search_that_finds_nothing_says_so(cli: Cli) -> None:
    result = cli("plan", "--users", "100000", "--context", "128k", "--model", "120b")
    assert result.code == 5
    assert "at most 8 GPUs" in result.out


def test_a_search_for_ollama_names_no_tensor_parallelism(cli: Cli) -> None:
    result = cli("plan", "--users", "4", "--context", "8192", "--engine", "ollama")
    assert result.code == 0
    assert "TP" not in result.out


def test_a_spot_price_above_the_cheapest_is_no_saving(cli: Cli) -> None:
    """The only one that is known of an L40S is of another vendor, and dearer."""
    plain = ("plan", "--gpu", "NVIDIA L40S")
    assert "spot" not in cli(*plain).out
    assert "spot 0.94 an hour" in cli(*plain, "--usd-per-hour", "1.20").out


def test_what_a_plan_does_not_know_is_no_row_of_zero(cli: Cli) -> None:
    sglang = cli("plan", "--gpu", "NVIDIA L40S", "--engine", "sglang").out
    assert "weights, 24.5 KV cache (+/- 2.5), 6.5 left for activation and graphs" in sglang
    assert "\n  sglang serve openai/gpt-oss-20b --context-length" in sglang
    ollama = cli("plan", "--gpu", "NVIDIA L40S", "--engine", "ollama").out
    assert (
        "\n  GiB of all GPUs: 11.8 weights, 1.2 graphs and buffers, 3.1 KV cache (+/- 0.5), 44.4 in all"
        in ollama
    )
    assert "KV cache: 131,072 tokens, one request of 131,072 tokens at once" in ollama
    assert "\n  ollama run gpt-oss:20b\n" in ollama
    assert " 0.0 " not in sglang + ollama


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_gpus_that_stay_idle_are_told_of(cli: Cli, engine: str) -> None:
    told = cli("plan", "--gpu", "NVIDIA L40S", "--gpus", "3", "--engine", engine).out
    assert "\n  20b on 2 x NVIDIA L40S, " in told
    assert "note: Of the 3 GPUs 2 are used: tensor parallel takes 1, 2, 4 or 8.\n" in told


def test_what_it_costs_in_every_way(cli: Cli) -> None:
    words = ("--gpu", "NVIDIA H100 80GB HBM3", "--model", "120b", "--users", "8")
    result = cli("plan", *words, "--hosted-usd-per-m", "0.15,0.60")
    assert "spot 0.80 an hour" in result.out
    assert "guide" not in result.out
    assert "only working seconds" in result.out
    assert result.out.count("cheaper than") == result.out.count("cheaper than your offer") == 1
    assert "11.4 GB of image" in result.out


@pytest.mark.parametrize(
    "words",
    [
        ("--gpu", "NVIDIA L40S", "--context", "0"),
        ("--gpu", "NVIDIA L40S", "--gpu-memory-utilization", "1.4"),
        ("--gpu", "NVIDIA L40S", "--gpus", "4", "--tensor-parallel-size", "3"),
        ("--gpu", "NVIDIA L40S", "--model", "7b"),
        ("--gpu", "NVIDIA L40S", "--gpu-memory-mib", "-5"),
        ("--gpu", "NVIDIA L40S", "--checkpoint", "gguf"),
        ("--gpu", "NVIDIA L40S", "--busy", "1.5"),
        ("--gpu", "NVIDIA L40S", "--engine", "tgi"),
        ("--gpu", "NVIDIA L40S", "--gpus", "100000000"),
        ("--gpu", "NVIDIA L40S", "--gpus", "0"),
        ("--gpu", "NVIDIA L40S", "--usd-per-hour", "nan"),
        ("--gpu", "NVIDIA L40S", "--usd-per-hour", "inf"),
        ("--gpu", "NVIDIA L40S", "--busy", "nan"),
        ("--gpu", "NVIDIA L40S", "--tokens-per-month", "-5"),
        ("--gpu", "NVIDIA L40S", "--tokens-per-month", "0"),
        ("--gpu", "NVIDIA L40S", "--tokens-per-month", "nan"),
        ("--gpu", "NVIDIA L40S", "--hosted-usd-per-m", "cheap"),
        ("--gpu", "NVIDIA L40S", "--hosted-usd-per-m", "0.1,nan"),
        ("--gpu", "NVIDIA L40S", "--compute-capability", "banana"),
        ("--gpu", "NVIDIA L40S", "--compute-capability", "90"),
        ("--gpu", "NVIDIA L40S", "--dtype", "nonsense"),
        ("--gpu", "NVIDIA L40S", "--block-size", "1"),
        ("--gpu", "NVIDIA L40S", "--gpu-memory-mib", "99999999999999"),
        ("--gpu", "NVIDIA L40S", "--max-num-seqs", "999999999"),
        ("--gpu", "NVIDIA L40S", "--gpu-ids", "0"),
        ("--gpu", "NVIDIA L40S", "--engine-version", "0.32.0x"),
        ("--gpu", "NVIDIA L40S", "--engine-version", "0.10.1junk"),
        ("--gpu", "NVIDIA L40S", "--engine", "ollama", "--engine-version", "newest"),
        ("--gpu", "NVIDIA L40S", "--installed-by", "conda"),
        ("--gpu", "H100"),
        ("--users", "4", "--gpu-memory-mib", "81559"),
        ("--users", "4", "--usd-per-hour", "2"),
        ("--users", "4", "--gpu-ids", "0"),
        ("--users", "4", "--tensor-parallel-size", "3"),
        ("sim-1", "--gpus", "2"),
        (),
    ],
)
def test_nonsense_is_one_sentence_and_two(cli: Cli, words: tuple[str, ...]) -> None:
    result = cli("plan", *words, "--json")
    assert result.code == 2
    assert result.document["error"]["code"] == "plan_input"
    assert result.document["error"]["message"].endswith(".")


@pytest.mark.parametrize(
    "words",
    [
        ("--context", "abc"), ("--context", ""), ("--kv-cache-memory-bytes", "5Q"),
        ("--kv-cache-memory-bytes", ""), ("--users", "many"), ("--gpus", "two"),
    ],
)  # fmt: skip
def test_words_that_are_no_numbers_are_one_sentence_too(cli: Cli, words: tuple[str, ...]) -> None:
    result = cli("plan", "--gpu", "NVIDIA L40S", *words, "--json")
    assert result.code == 2
    assert result.document["error"]["message"].endswith(".")


@pytest.mark.parametrize(
    ("text", "number"), [("5G", 5 * 2**30), ("5g", 5 * 10**9), ("512M", 2**29), ("7", 7)]
)
def test_bytes_are_read_as_vllm_reads_them(text: str, number: int) -> None:
    assert byte_count(text) == number
