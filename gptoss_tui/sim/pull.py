"""A simulated image pull: layers, bytes, checksums, extraction, as Docker streams them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from gptoss_tui.sim.container import new_id
from gptoss_tui.sim.world import World

MIB = 1024**2
# The layers of a vLLM image, compressed: about 11 GB in all.
_LAYERS_MIB = (29, 4, 1370, 96, 2210, 310, 4460, 1250, 18, 760)
_AT_ONCE = 3
_RATE_MIB_S = 1500.0
_UNPACK_MIB_S = 700.0
_TICK_S = 0.25


def refusal(world: World, repository: str, tag: str) -> str:
    """Why Docker cannot pull that image, in its words; nothing where it can."""
    if world.profile.has("no_network"):
        host = "registry-1.docker.io"
        return f'Get "https://{host}/v2/": dial tcp: lookup {host}: no such host'
    known = ("vllm/vllm-openai", "lmsysorg/sglang", "ollama/ollama")
    there = repository.removeprefix("docker.io/") in known and tag not in ("", "no-such-tag")
    if there and not world.profile.has("image_missing"):
        return ""
    return f"manifest for {repository}:{tag} not found: manifest unknown: manifest unknown"


def manifest(repository: str, tag: str) -> list[tuple[str, int]]:
    """The layers as the registry lists them, the base first: identifier and compressed bytes."""
    return [
        (new_id(f"{repository}:{tag}", n)[:12], size * MIB) for n, size in enumerate(_LAYERS_MIB)
    ]


async def pull(world: World, repository: str, tag: str) -> AsyncIterator[bytes]:
    """Docker's stream of JSON objects. Closing it (the client went away) drops the pull."""
    yield _line(status=f"Pulling from {repository}", id=tag)
    layers = [_Layer(name, size) for name, size in manifest(repository, tag)]
    for layer in layers:
        yield _line(status="Pulling fs layer", progressDetail={}, id=layer.id)
    for layer in layers[_AT_ONCE:]:
        yield _line(status="Waiting", progressDetail={}, id=layer.id)
    while not all(layer.complete for layer in layers):
        await world.clock.sleep(_TICK_S)
        for line in _tick(layers):
            yield line
    world.images.add(f"{repository}:{tag}")
    yield _line(status=f"Digest: sha256:{new_id(repository + tag, 0)}")
    yield _line(status=f"Status: Downloaded newer image for {repository}:{tag}")


class _Layer:
    def __init__(self, layer_id: str, size: int) -> None:
        self.id = layer_id
        self.size = size
        self.done = 0
        self.extracted = 0
        self.complete = False


def _tick(layers: list[_Layer]) -> list[bytes]:
    lines: list[bytes] = []
    loading = [layer for layer in layers if layer.done < layer.size][:_AT_ONCE]
    for layer in loading:
        step = int(_RATE_MIB_S * MIB * _TICK_S / len(loading))
        layer.done = min(layer.size, layer.done + step)
        lines.append(_progress("Downloading", layer.id, layer.done, layer.size))
        if layer.done == layer.size:
            lines.append(_line(status="Verifying Checksum", progressDetail={}, id=layer.id))
            lines.append(_line(status="Download complete", progressDetail={}, id=layer.id))
    # Layers are extracted one after the other, in their order.
    waiting = next((layer for layer in layers if not layer.complete), None)
    if waiting is not None and waiting.done == waiting.size:
        step = int(_UNPACK_MIB_S * MIB * _TICK_S)
        waiting.extracted = min(waiting.size, waiting.extracted + step)
        lines.append(_progress("Extracting", waiting.id, waiting.extracted, waiting.size))
        if waiting.extracted == waiting.size:
            waiting.complete = True
            lines.append(_line(status="Pull complete", progressDetail={}, id=waiting.id))
    return lines


def _progress(status: str, layer: str, current: int, total: int) -> bytes:
    return _line(status=status, progressDetail={"current": current, "total": total}, id=layer)


def _line(**document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\r\n"
