"""The HTTP side of the simulated SGLang, and its metrics page. Source: SGLang 0.5.23."""

from __future__ import annotations

from gptoss_tui.sim.engine import EngineModel
from gptoss_tui.sim.http import Request, Response
from gptoss_tui.sim.metrics_page import bucket_lines, family
from gptoss_tui.sim.vllm_api import VllmApi


class SglangApi(VllmApi):
    """As vLLM's, but the key guards all besides health and metrics, and reasoning has another name."""

    owner = "sglang"
    reasoning = "reasoning_content"
    guarded = ("/",)

    async def _own(self, request: Request) -> Response | None:
        if request.path in ("/health", "/health_generate", "/ready"):
            return Response(200)
        if request.path == "/metrics" and "--enable-metrics" in self._container.options:
            return self._metrics()
        return None

    def _metrics(self) -> Response:
        text = sglang_page(
            self._engine, self._container.model, self._limit(), self._world.clock.seconds()
        )
        return Response(body=text.encode(), content_type="text/plain; version=0.0.4")

    def _limit(self) -> int:
        return int(self._container.option("--context-length") or 131072)


def sglang_page(engine: EngineModel, model: str, context: int, now: float) -> str:
    """The metrics for `now` (seconds of the box's clock)."""
    engine.count(now)
    ranked = f'engine_type="unified",model_name="{model}",moe_ep_rank="0",pp_rank="0",tp_rank="0"'
    plain = f'model_name="{model}"'
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
    for name, value in (
        ("prompt_tokens", engine.prompt_tokens),
        ("generation_tokens", engine.generated),
        ("num_requests", engine.finished),
        ("cached_tokens", engine.hits),
    ):
        full = f"sglang:{name}_total"
        lines += family(full, "As SGLang has it.", "counter", [f"{full}{{{plain}}} {value}"])
    for name, buckets in (
        ("time_to_first_token_seconds", engine.ttft),
        ("inter_token_latency_seconds", engine.itl),
        ("e2e_request_latency_seconds", engine.e2e),
    ):
        full = f"sglang:{name}"
        samples = bucket_lines(full, plain, buckets)
        lines += family(full, "As SGLang has it.", "histogram", samples)
    return "\n".join(lines) + "\n"
