"""How the weights come into the cache of a simulated box, and what keeps them from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gptoss_tui.sim.world import World

_STEPS = 16
_ROOM_GIB = 9.0  # on a disk that is full of broken downloads
# As transformers says it: https://github.com/huggingface/transformers (utils/hub.py).
_UNREACHED = (
    "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find "
    "them in the cached files."
)
_FULL = "OSError: [Errno 28] No space left on device"


async def fetch(world: World, size: str, weights_gib: float) -> str | None:
    """Bring a model into the Hugging Face cache. Why that failed, in the libraries' words, or None."""
    if world.weights_cached(size):
        return None
    if world.cut_off:
        await world.starting(2.0)
        return _UNREACHED
    for step in range(1, _STEPS + 1):
        await world.starting(0.45)
        held = weights_gib * step / _STEPS
        if world.profile.has("disk_full") and held > _ROOM_GIB:
            return _FULL
        world.disk_used_gib[size] = held
        world.changed()
    return None
