"""Which CUDA an image was built for, and whether a driver runs it.

Images: vLLM 0.11.2 to 0.19 CUDA 12.9, 13 from 0.20; SGLang 13 from 0.5.20; `-cu129` and `-cu130`
in a tag say it; Ollama's one image has libraries for both, and wants R550 (https://github.com/ollama/ollama/blob/main/docs/gpu.mdx).
"""

from __future__ import annotations

import re

from gptoss_tui.domain.drivers import CUDA12_DRIVER, CUDA13_DRIVER, branch
from gptoss_tui.domain.host import Finding

OLLAMA_DRIVER = 550
_TAG = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_CUDA13_FROM = {"vllm-openai": (0, 20, 0), "sglang": (0, 5, 20)}


def driver_needed(image: str) -> tuple[int, str] | None:
    """The driver branch that an image needs, and for what; None where its tag does not tell."""
    name, _, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    if name == "ollama":
        return OLLAMA_DRIVER, "Ollama's libraries"
    if mark := re.search(r"-cu(?:da)?(1[23])\d?", tag):
        return (CUDA13_DRIVER, "CUDA 13") if mark[1] == "13" else (CUDA12_DRIVER, "CUDA 12")
    version, since = _TAG.match(tag), _CUDA13_FROM.get(name)
    if since is None:
        return None
    if version is None:  # "latest", "nightly"
        return CUDA13_DRIVER, "CUDA 13"
    number = tuple(int(part) for part in version.groups())
    return (CUDA13_DRIVER, "CUDA 13") if number >= since else (CUDA12_DRIVER, "CUDA 12")


def image_finding(driver_version: str | None, image: str) -> Finding | None:
    """A blocker where the driver is too old for this image; None where it is not, or is unknown."""
    needed, has = driver_needed(image), branch(driver_version)
    if needed is None or has is None or has >= needed[0]:
        return None
    return Finding(
        code="driver_too_old",
        level="blocker",
        what=f"The driver {driver_version} is too old for {image}: it is built for {needed[1]}, "
        f"which needs {needed[0]} or newer.",
        do="Take a tag that ends in -cu129, or update the driver."
        if needed[0] == CUDA13_DRIVER and has >= CUDA12_DRIVER
        else f"Update the driver to {CUDA13_DRIVER} or newer.",
        topic="driver",
    )
