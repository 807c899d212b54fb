"""One rule for what nobody says: the wizard, `plan` and `launch` plan the same for the same words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from gptoss_tui.app.wizard_state import Choices, outcome, preselected
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.sim.profile import A100, H100, L40S, Card, Profile
from tests.cli.conftest import Background, Cli

Boxes = Callable[..., Background]
# What a plan is, but for how it came about.
SAME = ("verdict", "command", "memory_gib", "kv_cache", "fits_requests", "tensor_parallel_size")


def box_of(*cards: Card) -> Profile:
    return Profile("cards", cards, image_cached=True, weights_cached=True)


def wizard_plan(report: BoxReport, engine: str, model: str) -> Any:
    """What the wizard's form gives as it opens, but for engine and model."""
    form = Choices(engine=engine, model=model)
    made = outcome(report, replace(form, gpu_ids=preselected(report, form))).plan
    assert made is not None
    return msgspec.json.decode(msgspec.json.encode(made))


def report_of(cli: Cli, where: tuple[str, ...]) -> BoxReport:
    return msgspec.convert(cli("check", *where, "--json").document["body"], BoxReport)


@pytest.mark.parametrize("model", ["20b", "120b"])
@pytest.mark.parametrize("engine", ["vllm", "sglang", "ollama"])
def test_the_same_words_give_the_same_plan(cli: Cli, boxes: Boxes, engine: str, model: str) -> None:
    where = ("sim-1", "-F", boxes(box_of(H100, H100)).config)
    words = ("--engine", engine, "--model", model)
    plan = cli("plan", *where, *words, "--json").document
    launch = cli("launch", *where, *words, "--dry-run", "--json").document["plan"]
    wizard = wizard_plan(report_of(cli, where), engine, model)
    for name in SAME:
        assert plan[name] == launch[name] == wizard[name], name
    assert (plan["request"]["users"], plan["request"]["max_model_len"]) == (8, 32_768)
    # A card without a box, for so many users: the driver's own share is not known to the byte.
    card = ("--gpu", "NVIDIA H100 80GB HBM3", "--gpus", str(len(plan["request"]["gpus"])))
    alone = cli("plan", *card, *words, "--users", "8", "--json").document
    assert alone["command"] == plan["command"]
    assert alone["verdict"] == plan["verdict"]


def test_a_card_that_holds_fewer_users_than_usual_is_launched_on_all_the_same(
    cli: Cli, boxes: Boxes
) -> None:
    where = ("sim-1", "-F", boxes(box_of(A100)).config, "--model", "120b")
    plan = cli("plan", *where, "--json").document
    assert plan["verdict"] in ("fits", "tight")
    users = plan["request"]["users"]
    assert 1 <= users < 8
    note = f"No number of users is given, and 8 do not fit at once: planned for {users}."
    assert plan["warnings"][0] == note
    launch = cli("launch", *where, "--dry-run", "--json").document["plan"]
    assert launch["command"] == plan["command"]
    # Said in so many words it is the same plan, and one more user is one too many.
    asked = cli("plan", *where, "--users", str(users), "--json").document
    assert asked["command"] == plan["command"]
    assert cli("plan", *where, "--users", str(users + 1)).code == 5
    assert cli("plan", *where, "--users", "8").code == 5


def test_sequences_that_were_given_are_the_most_users_there_are(cli: Cli, boxes: Boxes) -> None:
    where = ("sim-1", "-F", boxes(box_of(L40S)).config)
    plan = cli("plan", *where, "--max-num-seqs", "4", "--json").document
    assert (plan["request"]["users"], plan["request"]["max_num_seqs"]) == (4, 4)


def test_a_card_without_users_says_that_it_goes_by_the_engines_own_defaults(cli: Cli) -> None:
    card = ("plan", "--gpu", "NVIDIA L40S")
    assert "with --users N it is chosen, as for a launch." in cli(*card).out
    assert "own defaults" not in cli(*card, "--users", "8").out
