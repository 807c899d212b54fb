"""`plan` for a card by its name: no box is asked, and scripts get the whole plan."""

from __future__ import annotations

import pytest

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
        (),
    ],
)
def test_nonsense_is_one_sentence_and_two(cli: Cli, words: tuple[str, ...]) -> None:
    result = cli("plan", *words, "--json")
    assert result.code == 2
    assert result.document["error"]["code"] == "plan_input"
    assert result.document["error"]["message"].endswith(".")
