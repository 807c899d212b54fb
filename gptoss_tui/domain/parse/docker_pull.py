"""A pull's stream of JSON objects, as bytes over all layers that never go back.

Docker tells the size of a layer only when that layer begins to load, three at a time. So the total
is told once all sizes are known: from the image's manifest, or when the last layer has begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Layer:
    """One layer, in compressed bytes. `loaded` is what has come in this attempt.

    `finished`: it is unpacked, or was there already.
    """

    size: int | None = None
    loaded: int = 0
    most: int = 0
    unpacked: int = 0
    unpacking: bool = False
    retrying: bool = False
    finished: bool = False

    @property
    def left(self) -> int:
        """What of it has still to come; 0 where its size is not known."""
        return 0 if self.finished else max(0, (self.size or 0) - self.loaded)

    @property
    def packed(self) -> int:
        """What of it has still to be unpacked."""
        return 0 if self.finished else max(0, (self.size or 0) - self.unpacked)


class PullProgress:
    """Adds up the layers of one pull, over all its attempts.

    `done_bytes` and `total_bytes` are of compressed layers; a layer that was there already counts
    in both where the manifest tells its size, and in neither where nothing does. `total_bytes` is
    None until the sizes of all announced layers are known. `moved_bytes` is all that has
    come over the wire, what came twice counted twice. `worked` grows with every sign of life.
    """

    def __init__(self) -> None:
        self.layers: dict[str, Layer] = {}
        self._manifest: dict[str, int] = {}
        self._high = 0
        self._total: int | None = None
        self._stated = False
        self.moved_bytes = 0
        self.worked = 0
        self.retries = 0
        self.error = ""

    @property
    def done_bytes(self) -> int:
        return self._high

    @property
    def total_bytes(self) -> int | None:
        return None if self._total is None else max(self._total, self._high)

    @property
    def loaded(self) -> bool:
        """Whether all has come, and only unpacking is left."""
        return self._total is not None and not any(one.left for one in self.layers.values())

    @property
    def unpacking(self) -> bool:
        return any(one.unpacking for one in self.layers.values())

    @property
    def detail(self) -> str:
        """How many layers are finished, and whether it only unpacks now."""
        if not self.layers:
            return ""
        finished = sum(one.finished for one in self.layers.values())
        text = f"{finished} of {len(self.layers)} layers"
        return f"unpacking, {text}" if self.loaded and finished < len(self.layers) else text

    def sizes(self, text: str) -> None:
        """The layers of the image's manifest, "ID:BYTES ID:BYTES ...", its base first."""
        pairs = (word.partition(":") for word in text.split())
        self._manifest = {
            layer: int(size)
            for layer, _, size in pairs
            if size.isascii() and size.isdigit() and len(size) < 16
        }
        self._settle()

    def again(self) -> None:
        """The pull broke and begins anew; what is finished stays finished."""
        self.retries += 1
        self.error = ""
        for one in self.layers.values():
            one.unpacking = False

    def feed(self, document: Mapping[str, Any]) -> None:
        """Read one object of the stream."""
        if error := document.get("error"):
            self.error = str(error)
            return
        if "message" in document and "status" not in document:
            self.error = str(document["message"])
            return
        layer = document.get("id")
        status = str(document.get("status") or "")
        if not isinstance(layer, str) or status.startswith("Pulling from"):
            return
        detail = document.get("progressDetail")
        self._note(
            self.layers.setdefault(layer, Layer()),
            status,
            detail if isinstance(detail, Mapping) else {},
        )
        self._settle()

    def _note(self, layer: Layer, status: str, detail: Mapping[str, Any]) -> None:
        current, total = _size(detail.get("current")), _size(detail.get("total"))
        if status.startswith("Retrying"):
            self.retries += not layer.retrying  # Docker counts the seconds down, line by line
            layer.retrying = True
            return
        layer.retrying = False
        if status == "Downloading":
            self._load(layer, current, total)
        elif status in ("Verifying Checksum", "Download complete", "Extracting"):
            self._whole(layer)
            if status == "Extracting":
                # Docker's image store of containerd counts seconds in place of bytes here.
                counted = detail.get("units") in (None, "", "B") and total is not None
                layer.unpacked = max(layer.unpacked, current or 0) if counted else layer.unpacked
                layer.unpacking = True
                self.worked += 1
        elif status in ("Pull complete", "Already exists"):
            self._whole(layer)
            if status == "Pull complete":
                layer.unpacked = layer.size or layer.unpacked
            layer.unpacking, layer.finished = False, True

    def _load(self, layer: Layer, current: int | None, total: int | None) -> None:
        if total:
            layer.size = max(total, layer.size or 0)
        if current is None:
            return
        if current < layer.loaded:
            layer.loaded = 0  # it comes anew
        if current > layer.loaded:
            self.moved_bytes += current - layer.loaded
            self.worked += 1
        layer.loaded = current
        layer.most = max(layer.most, current)

    def _whole(self, layer: Layer) -> None:
        if layer.size and layer.loaded < layer.size and layer.loaded:
            self.moved_bytes += layer.size - layer.loaded
        if layer.size:
            layer.loaded = layer.most = layer.size

    def _settle(self) -> None:
        """Take over what the manifest says, where it is this image's, and add up."""
        if not self._stated and self.layers and self._manifest.keys() >= self.layers.keys():
            self._stated = True
            known = self.layers
            # In the manifest's order, which is the one that layers are unpacked in.
            self.layers = {name: known.get(name, Layer()) for name in self._manifest}
            for name, one in self.layers.items():
                one.size = max(self._manifest[name], one.size or 0)
                if one.finished:
                    one.loaded = one.most = one.size
        layers = self.layers.values()
        if layers and all(one.size or one.finished for one in layers):
            self._total = max(self._total or 0, sum(one.size or 0 for one in layers)) or None
        done = sum((one.size or 0) if one.finished else one.most for one in layers)
        self._high = max(self._high, done)


def _size(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
