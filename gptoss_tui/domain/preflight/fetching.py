"""What a launch has to fetch, where the box cannot: by what is on it already."""

from __future__ import annotations

from collections.abc import Iterator

from gptoss_tui.domain.engines.registry import ENGINES, engine_of
from gptoss_tui.domain.host import BoxReport, DockerInfo
from gptoss_tui.domain.plan.disk import download_bytes
from gptoss_tui.domain.plan.models import MODELS
from gptoss_tui.domain.plan.types import PlanRequest

REGISTRY, HUB = "registry_unreachable", "hub_unreachable"
_BF16_BYTES = 2  # of one parameter


def images_there(docker: DockerInfo | None) -> tuple[str, ...]:
    """The engines' images that the box has: they are launched without a registry."""
    images = docker.images if docker else ()
    return tuple(image for image in images if engine_of(image, ()) is not None)


def models_there(report: BoxReport) -> tuple[str, ...]:
    """The checkpoints of GPT-OSS that the box has whole: they are launched without the hub."""
    sizes = {one.name: one.checkpoint_bytes for one in MODELS.values()}
    sizes |= {one.bf16_name: _BF16_BYTES * one.parameters for one in MODELS.values()}
    return tuple(
        one.model for one in report.cached if one.bytes >= sizes.get(one.model, float("inf"))
    )


def to_bring(report: BoxReport) -> str:
    """A sentence of what has to be brought to the box before a launch, without its end; else nothing.

    The weights are those of the Hugging Face cache: Ollama has a store of its own, which may hold
    some.
    """
    codes = {finding.code for finding in report.findings}
    image = REGISTRY in codes and not images_there(report.docker)
    weights = HUB in codes and not models_there(report)
    if image:
        more = ", and one of vLLM or SGLang the weights too" if weights else ""
        return f"a launch needs an image brought to the box first{more}"
    if weights:
        return "a launch of vLLM or SGLang needs the weights brought to the box first"
    return ""


def out_of_reach(
    report: BoxReport, request: PlanRequest, image: str | None, weights_dir: str | None
) -> Iterator[str]:
    """A sentence for each thing that this launch has to fetch and cannot.

    `request` has what is on the box filled in. `image` is one that is not the engine's own: the
    registry that it names may be another than the one that was asked.
    """
    found = {finding.code: finding.what for finding in report.findings}
    elsewhere = image is not None and _names_registry(image)
    if REGISTRY in found and not request.image_there and not elsewhere:
        yield found[REGISTRY]
    fetches = ENGINES[request.engine].fetches == "at_start" and weights_dir is None
    if HUB in found and fetches and download_bytes(request) > 0:
        yield found[HUB]


def _names_registry(image: str) -> bool:
    """https://github.com/distribution/reference/blob/main/normalize.go (splitDockerDomain)"""
    first, slash, _ = image.partition("/")
    return bool(slash) and (any(sign in first for sign in ".:") or first == "localhost")
