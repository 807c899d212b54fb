"""A box that reaches nothing: what `check`, `plan` and `launch` say, by what is on it already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gptoss_tui.sim.profile import H100, Profile
from tests.cli.conftest import Background, Cli

Boxes = Callable[..., Background]
OFFLINE = Profile("offline", (H100,), faults=frozenset({"no_network"}))
IMAGE = "No image can be pulled"
MODEL = "No model can be fetched"
NOTHING = "nothing stands in the way of a launch"


def test_where_nothing_is_on_it_a_launch_needs_both_brought(cli: Cli, boxes: Boxes) -> None:
    where = ("sim-1", "-F", boxes(OFFLINE).config)
    told = cli("check", *where).out
    assert NOTHING not in told
    assert "a launch needs an image brought to the box first, and one of vLLM or SGLang" in told
    assert "the weights too, as said above" in told
    assert f"{IMAGE}, and none is there." in told
    assert f"{MODEL}, and none is in the Hugging Face cache." in told
    assert f"gptoss-tui load-image -F {where[2]} sim-1 FILE" in told
    for command in (("plan",), ("launch", "--dry-run")):
        notes = [line for line in cli(*command, *where).out.splitlines() if "  note: " in line]
        assert sum(IMAGE in note for note in notes) == 1
        assert sum(MODEL in note for note in notes) == 1


def test_what_is_on_it_already_needs_no_network(cli: Cli, boxes: Boxes) -> None:
    stocked = replace(OFFLINE, image_cached=True, weights_cached=True)
    where = ("sim-1", "-F", boxes(stocked).config)
    told = cli("check", *where).out
    assert f"  {NOTHING}, " in told
    assert f"{IMAGE}, those that are there can be used: " in told
    assert "vllm/vllm-openai:v0.32.0" in told
    assert f"{MODEL}, those that are there can be used: openai/gpt-oss-" in told
    assert "The box does not reach" not in cli("plan", *where).out
    # Another image is another matter, but not one of a registry that was not asked.
    assert IMAGE in cli("plan", *where, "--image", ":nightly").out
    assert IMAGE not in cli("plan", *where, "--image", "mirror.lan:5000/vllm:nightly").out


def test_with_the_image_alone_the_weights_are_lacking(cli: Cli, boxes: Boxes) -> None:
    where = ("sim-1", "-F", boxes(replace(OFFLINE, image_cached=True)).config)
    assert "a launch of vLLM or SGLang needs the weights brought" in cli("check", *where).out
    plan = cli("launch", *where, "--dry-run").out
    assert MODEL in plan
    assert IMAGE not in plan
    assert MODEL not in cli("launch", *where, "--dry-run", "--weights-dir", "/data/gpt-oss").out
