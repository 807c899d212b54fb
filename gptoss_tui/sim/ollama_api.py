"""The HTTP side of the simulated Ollama.

Sources: https://github.com/ollama/ollama/blob/main/docs/api.md, and the answers of 0.13.3
(`tests/checks/ollama_server.py`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from gptoss_tui.sim.container import MODELS, new_id, size_of
from gptoss_tui.sim.http import Request, Response, json_response
from gptoss_tui.sim.ollama_start import load
from gptoss_tui.sim.vllm_api import VllmApi

_KNOWN = ("gpt-oss:20b", "gpt-oss:120b")
_STEPS = 20
_ROOM = 9 * 1024**3  # on a disk that is full of broken downloads


class OllamaApi(VllmApi):
    """It answers at once; the model is pulled, and then loaded, by calls."""

    owner = "library"
    guarded = ()

    async def _own(self, request: Request) -> Response | None:
        if request.path == "/":
            return Response(body=b"Ollama is running", content_type="text/plain")
        if request.path == "/api/version":
            return json_response({"version": self._container.version})
        if request.path == "/api/ps":
            return json_response({"models": self._loaded()})
        if request.method != "POST":
            return None
        if request.path == "/api/pull":
            return self._pull(request)
        if request.path == "/api/show":
            known = _model(request) in self._served()
            return json_response(
                {} if known else {"error": "model not found"}, 200 if known else 404
            )
        if request.path == "/api/generate":
            return await self._generate(request)
        if request.path == "/v1/chat/completions" and (model := _model(request)) in self._served():
            failure = await load(self._container, self._world, model)
            return self._error(500, failure) if failure else None
        return None

    def _loaded(self) -> list[dict[str, Any]]:
        name = self._container.loaded
        size = round(self._container.memory_mib * 1024**2)
        return [{"name": name, "model": name, "size": size, "size_vram": size}] if name else []

    def _served(self) -> tuple[str, ...]:
        return tuple(name for name in _KNOWN if self._has(name))

    def _limit(self) -> int:
        return int(self._container.environment.get("OLLAMA_CONTEXT_LENGTH", 4096))

    async def _generate(self, request: Request) -> Response:
        model = _model(request)
        if model not in self._served():
            return json_response({"error": f"model '{model}' not found"}, 404)
        if failure := await load(self._container, self._world, model):
            return json_response({"error": failure}, 500)
        said = {"model": model, "response": "", "done": True, "done_reason": "load"}
        return json_response(said)

    def _pull(self, request: Request) -> Response:
        return Response(body=self._pulled(_model(request)), content_type="application/x-ndjson")

    def _has(self, model: str) -> bool:
        return model in self._world.models or self._world.profile.weights_cached

    async def _pulled(self, model: str) -> AsyncIterator[bytes]:
        yield _line(status="pulling manifest")
        if model not in _KNOWN or self._world.profile.has("image_missing"):
            yield _line(error="pull model manifest: file does not exist")
            return
        if self._world.cut_off:  # the manifest is asked for even where all of the model is there
            host = "registry.ollama.ai"
            address = f"https://{host}/v2/library/{model.replace(':', '/manifests/')}"
            failed = f"dial tcp: lookup {host}: Temporary failure in name resolution"
            yield _line(error=f'pull model manifest: Get "{address}": {failed}')
            return
        total = int(MODELS[size_of(model)][0] * 1024**3)
        digest = new_id(model, 0)
        about = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": total}
        for step in range(_STEPS if self._has(model) else 0, _STEPS + 1):
            done = total * step // _STEPS
            if done > _ROOM and self._world.profile.has("disk_full") and not self._has(model):
                file = f"/root/.ollama/models/blobs/sha256-{digest}-partial"
                yield _line(error=f"write {file}: no space left on device")
                return
            yield _line(**about, completed=done)
            if step < _STEPS:
                await self._world.clock.sleep(0.4)
                self._check_alive()
        self._world.models.add(model)
        for word in ("verifying sha256 digest", "writing manifest", "success"):
            yield _line(status=word)


def _model(request: Request) -> str:
    try:
        said = request.json()
    except ValueError:
        return ""
    return str(said.get("model") or "") if isinstance(said, dict) else ""


def _line(**said: Any) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"
