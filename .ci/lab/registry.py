"""registry.py STORE NAME:TAG CONFIG LAYER.tar ...: put an image where docker-registry serves it.

Writes the registry's own folder layout, so that no Docker Engine is needed to make an image.
CONFIG is the image's `config` object (Entrypoint, Env, ...) as JSON. Layers are compressed here,
and one that an image of the store has already is not compressed again.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Store:
    """A registry's storage folder, seen from one repository of it."""

    def __init__(self, root: Path, repository: str) -> None:
        self._blobs = root / "docker/registry/v2/blobs/sha256"
        self._repository = root / "docker/registry/v2/repositories" / repository

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Store small `data` and return its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self._place(digest).write_bytes(data)
        return self._described(digest, media_type)

    def layer(self, tar: Path) -> tuple[dict[str, Any], str]:
        """Store a tar compressed; its descriptor, and the digest of what is in it."""
        inner, outer = hashlib.sha256(), hashlib.sha256()
        packer = zlib.compressobj(level=1, wbits=31)
        part = self._blobs / f"{tar.name}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        with tar.open("rb") as source, part.open("wb") as sink:
            while block := source.read(1 << 20):
                inner.update(block)
                packed = packer.compress(block)
                outer.update(packed)
                sink.write(packed)
            packed = packer.flush()
            outer.update(packed)
            sink.write(packed)
        part.replace(self._place(outer.hexdigest()))
        return self._described(outer.hexdigest(), LAYER), f"sha256:{inner.hexdigest()}"

    def _place(self, digest: str) -> Path:
        folder = self._blobs / digest[:2] / digest
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "data"

    def _described(self, digest: str, media_type: str) -> dict[str, Any]:
        self._link(f"_layers/sha256/{digest}", digest)
        size = self._place(digest).stat().st_size
        return {"mediaType": media_type, "size": size, "digest": f"sha256:{digest}"}

    def _link(self, where: str, digest: str) -> None:
        folder = self._repository / where
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "link").write_text(f"sha256:{digest}")

    def tag(self, tag: str, manifest: dict[str, Any]) -> None:
        """Store the manifest and let the tag point at it."""
        data = json.dumps(manifest).encode()
        digest = hashlib.sha256(data).hexdigest()
        self._place(digest).write_bytes(data)
        self._link(f"_manifests/revisions/sha256/{digest}", digest)
        self._link(f"_manifests/tags/{tag}/index/sha256/{digest}", digest)
        self._link(f"_manifests/tags/{tag}/current", digest)


def main(root: str, reference: str, config: str, *tars: str) -> None:
    repository, _, tag = reference.rpartition(":")
    store = Store(Path(root), repository)
    layers = [store.layer(Path(tar)) for tar in tars]
    image = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": json.loads(config),
        "rootfs": {"type": "layers", "diff_ids": [inner for _, inner in layers]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": tar} for tar in tars],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": store.blob(json.dumps(image).encode(), CONFIG),
        "layers": [layer for layer, _ in layers],
    }
    store.tag(tag, manifest)


if __name__ == "__main__":
    main(*sys.argv[1:])
