"""What of a launch is on a box already, and what has to be brought where nothing can be fetched."""

from __future__ import annotations

from typing import Any

import pytest

from gptoss_tui.domain.host import CachedModel, DockerInfo, Finding
from gptoss_tui.domain.plan.models import MODELS
from gptoss_tui.domain.preflight.fetching import (
    HUB,
    REGISTRY,
    images_there,
    models_there,
    out_of_reach,
    to_bring,
)
from tests.unit.make import report, request

SMALL = MODELS["20b"]
NO_REGISTRY = Finding(code=REGISTRY, level="warning", what="No registry.")
NO_HUB = Finding(code=HUB, level="warning", what="No hub.")


def docker(*images: str) -> DockerInfo:
    return DockerInfo(version="27.3.1", api_version="1.47", via="socket", images=images)


def test_only_images_of_engines_count() -> None:
    there = docker("postgres:17", "mirror.lan/vllm:v0.31.0", "ollama/ollama:0.13.3")
    assert images_there(there) == ("mirror.lan/vllm:v0.31.0", "ollama/ollama:0.13.3")
    assert images_there(None) == ()


@pytest.mark.parametrize(
    ("model", "size", "there"),
    [
        (SMALL.name, SMALL.checkpoint_bytes, True),
        (SMALL.name, SMALL.checkpoint_bytes - 1, False),  # a broken download
        (SMALL.bf16_name, SMALL.checkpoint_bytes, False),
        (SMALL.bf16_name, 2 * SMALL.parameters, True),
        ("meta-llama/Llama-3.1-8B", 10**12, False),
    ],
)
def test_only_whole_checkpoints_of_gpt_oss_count(model: str, size: int, there: bool) -> None:
    cached = (CachedModel(model=model, bytes=size),)
    assert models_there(report(cached=cached)) == ((model,) if there else ())


def test_what_has_to_be_brought() -> None:
    assert to_bring(report()) == ""
    image = "a launch needs an image brought to the box first"
    assert to_bring(report(findings=(NO_REGISTRY,))) == image
    both = to_bring(report(findings=(NO_HUB, NO_REGISTRY)))
    assert both == f"{image}, and one of vLLM or SGLang the weights too"
    stocked = report(findings=(NO_HUB, NO_REGISTRY), docker=docker("vllm/vllm-openai:v0.32.0"))
    # Ollama's own store is not looked into: a launch of it may need nothing.
    weights = "a launch of vLLM or SGLang needs the weights brought to the box first"
    assert to_bring(stocked) == weights


@pytest.mark.parametrize(
    ("asked", "image", "weights_dir", "said"),
    [
        ({}, None, None, ["No registry.", "No hub."]),
        ({"image_there": True}, None, None, ["No hub."]),
        ({"cached_bytes": SMALL.checkpoint_bytes}, None, None, ["No registry."]),
        ({}, None, "/data", ["No registry."]),
        ({}, "vllm/vllm-openai:nightly", "/data", ["No registry."]),
        # Another registry than the one that was asked may answer.
        ({}, "mirror.lan:5000/vllm:nightly", "/data", []),
        ({}, "localhost/vllm:nightly", "/data", []),
        # Ollama fetches from a registry of its own.
        ({"engine": "ollama", "engine_version": "0.13.3"}, None, None, ["No registry."]),
    ],
)
def test_what_a_launch_cannot_fetch(
    asked: dict[str, Any], image: str | None, weights_dir: str | None, said: list[str]
) -> None:
    box = report(findings=(NO_REGISTRY, NO_HUB))
    assert list(out_of_reach(box, request(**asked), image, weights_dir)) == said
    assert list(out_of_reach(report(), request(**asked), image, weights_dir)) == []
