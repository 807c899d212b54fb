"""The HTTP side of the simulated SGLang, and its metrics page. Source: SGLang 0.5.23, as it ran."""

from __future__ import annotations

from typing import Any

from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.http import Request, Response, json_response
from gptoss_tui.sim.metrics_page import bucket_lines, family
from gptoss_tui.sim.vllm_api import VllmApi

_OPEN = ("/health", "/ready", "/metrics")  # and all that begins so
_HEALTH_S = 1.0


class SglangApi(VllmApi):
    """As vLLM's, but for what the key guards, its errors, and what it does while it drains."""

    owner = "sglang"
    reasoning = "reasoning_content"
    guarded = ()
    drains_alone = False
    knows_names = False

    async def _own(self, request: Request) -> Response | None:
        if not request.path.startswith(_OPEN) and not self._allowed(request):
            return json_response({"error": "Unauthorized"}, 401)
        if request.path in ("/health", "/health_generate", "/ready"):
            return await self._health(request.path)
        if request.path == "/metrics" and "--enable-metrics" in self._container.options:
            return self._metrics()
        if request.path == "/ping":
            return Response(200)
        if request.path in ("/model_info", "/get_model_info"):
            model = self._container.model
            return json_response({"model_path": model, "served_model_name": model})
        return None

    async def _health(self, path: str) -> Response:
        """Health is a token that it makes, and looks for after a second."""
        if not self._container.healthy or self._engine.draining_since is not None:
            return Response(503)
        if path != "/ready":
            await self._world.clock.sleep(_HEALTH_S)
        return Response(200)

    def _metrics(self) -> Response:
        text = sglang_page(
            self._engine, self._container.model, self._limit(), self._world.clock.seconds()
        )
        return Response(body=text.encode(), content_type="text/plain; version=0.0.4")

    def _limit(self) -> int:
        return int(self._container.option("--context-length") or 131072)

    def _listed(self, name: str) -> dict[str, Any]:
        return super()._listed(name) | {"root": name, "max_model_len": self._limit()}

    def _too_long(self, asked: int, limit: int) -> str:
        return f"The input ({asked} tokens) is longer than the model's context length ({limit} tokens)."

    def _error(self, status: int, message: str) -> Response:
        error = {"object": "error", "message": message, "type": "BadRequestError", "param": None}
        return json_response(error | {"code": status}, status)


def sglang_page(engine: EngineModel, model: str, context: int, now: float) -> str:
    """The metrics for `now` (seconds of the box's clock). What nothing was counted for is not there."""
    engine.count(now)
    served = f'engine_type="unified",model_name="{model}"'
    ranked = f'engine_type="unified",model_name="{model}",moe_ep_rank="0",pp_rank="0",tp_rank="0"'
    streamed = f'engine_type="unified",is_streaming="true",model_name="{model}"'
    lines: list[str] = []
    for name, value in (
        ("num_running_reqs", float(engine.running(now))),
        ("num_queue_reqs", float(engine.waiting(now))),
        ("token_usage", round(engine.kv_usage(now), 2)),
        ("max_total_num_tokens", float(engine.kv_tokens)),
        ("context_len", float(context)),
        ("gen_throughput", round(engine.tokens_per_s(now), 1)),
    ):
        full = f"sglang:{name}"
        lines += family(full, "As SGLang has it.", "gauge", [f"{full}{{{ranked}}} {value}"])
    for name, labels, value in (
        ("prompt_tokens", streamed, engine.prompt_tokens),
        ("generation_tokens", streamed, engine.generated),
        ("num_requests", streamed, engine.finished),
        ("cached_tokens", f'cache_source="device",{served}', engine.hits),
    ):
        full = f"sglang:{name}_total"
        samples = [f"{full}{{{labels}}} {value}"] if value else []
        lines += family(full, "As SGLang has it.", "counter", samples)
    for name, labels, buckets in (
        ("time_to_first_token_seconds", streamed, engine.ttft),
        ("inter_token_latency_seconds", served, engine.itl),
        ("e2e_request_latency_seconds", streamed, engine.e2e),
    ):
        full = f"sglang:{name}"
        samples = bucket_lines(full, labels, buckets) if any(buckets.counts) else []
        lines += family(full, "As SGLang has it.", "histogram", samples)
    return "\n".join(lines) + "\n"
