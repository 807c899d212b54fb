"""What a launch fetches and how much room it takes on the box's disk."""

from __future__ import annotations

from gptoss_tui.domain.plan import versions
from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.types import PlanRequest

# Unpacked images: vLLM 0.27.1 as one user measured it; the others from their tags' sizes.
_IMAGE_BYTES = {"vllm": 26 * 10**9, "sglang": 30 * 10**9, "ollama": 4 * 10**9}
# Compressed, as it comes over the wire: v0.27.1-cu129-ubuntu2404. None was found for the others.
_IMAGE_DOWNLOAD_BYTES = {"vllm": 11_440_000_000}
# vLLM up to 0.13 also fetches the copy in original/: its pattern *.safetensors matches there too.
_ONCE = (0, 14, 0)


def checkpoint_bytes(request: PlanRequest) -> int:
    """All bytes that this engine version fetches of the checkpoint (weight_utils.py)."""
    model = model_named(request.model)
    if request.checkpoint == "bf16":
        return 2 * model.parameters
    twice = request.engine == "vllm" and versions.parse(request.engine_version) < _ONCE
    return model.checkpoint_bytes * (2 if twice else 1)


def download_bytes(request: PlanRequest) -> int:
    """What of it is not on the box yet."""
    return max(0, checkpoint_bytes(request) - request.cached_bytes)


def image_download_bytes(request: PlanRequest) -> int | None:
    """What comes over the wire of the engine's image: 0 where it is there, None if not known."""
    return 0 if request.image_there else _IMAGE_DOWNLOAD_BYTES.get(request.engine)


def image_bytes(request: PlanRequest) -> int:
    """The room that the unpacked image still needs."""
    return 0 if request.image_there else _IMAGE_BYTES.get(request.engine, 0)


def disk_bytes(request: PlanRequest) -> int:
    """The room that is still needed, with the engine's unpacked image."""
    return download_bytes(request) + image_bytes(request)


def warnings(request: PlanRequest) -> list[str]:
    """Where the room is known: too little, or less than the guide's rule of twice the model."""
    weights, image = request.disk_free_bytes, request.image_disk_free_bytes
    found: list[str] = []
    if image is not None:
        found += _short("The disk of the images", image, image_bytes(request))
    if weights is None:
        return found
    # Without a disk of their own the images take their room from the weights' one.
    needed = disk_bytes(request) if image is None else download_bytes(request)
    lacking = _short("The disk", weights, needed)
    if not lacking and weights < 2 * download_bytes(request):
        lacking = [
            f"The disk has {weights / 1e9:.0f} GB left: enough, but less than twice the model, which "
            "is wise to have."
        ]
    return found + lacking


def _short(disk: str, free: int, needed: int) -> list[str]:
    if free >= needed:
        return []
    return [f"{disk} has {free / 1e9:.0f} GB left, and the launch needs {needed / 1e9:.0f} GB."]
