"""The `/metrics` page of the simulated vLLM: families, labels and layout of release 0.32."""

from __future__ import annotations

from gptoss_tui.sim.engine import Buckets, EngineModel


def page(engine: EngineModel, model: str, now: float, block_size: int = 16) -> str:
    """The text for `now` (seconds of the box's clock)."""
    engine.count(now)
    labels = f'engine="0",model_name="{model}"'
    lines: list[str] = [
        "# HELP python_info Python platform information",
        "# TYPE python_info gauge",
        'python_info{implementation="CPython",major="3",minor="12"} 1.0',
    ]
    for name, help_text, value in _gauges(engine, now):
        lines += family(name, help_text, "gauge", [f"{name}{{{labels}}} {value}"])
    name = "vllm:num_requests_waiting_by_reason"
    waiting = {"capacity": float(engine.waiting(now)), "deferred": 0.0}
    lines += family(
        name,
        "Number of waiting requests by reason.",
        "gauge",
        [f'{name}{{{labels},reason="{reason}"}} {value}' for reason, value in waiting.items()],
    )
    for name, help_text, value in _counters(engine):
        total, created = f"{name}_total", f"{name}_created"
        lines += family(total, help_text, "counter", [f"{total}{{{labels}}} {value}"])
        began = f"{created}{{{labels}}} {1.7e9 + engine.since}"
        lines += family(created, help_text, "gauge", [began])
    lines += _finished(engine, labels)
    for name, help_text, buckets in _histograms(engine):
        lines += family(name, help_text, "histogram", bucket_lines(name, labels, buckets))
    lines += family(
        "vllm:cache_config_info",
        "Information of the LLMEngine CacheConfig",
        "gauge",
        [
            f'vllm:cache_config_info{{block_size="{block_size}",cache_dtype="auto",engine="0",'
            f'kv_cache_max_concurrency="{engine.max_concurrency}",'
            f'kv_cache_size_tokens="{engine.kv_tokens}",num_gpu_blocks="{engine.kv_blocks}"}} 1.0'
        ],
    )
    return "\n".join(lines) + "\n"


def _gauges(engine: EngineModel, now: float) -> tuple[tuple[str, str, float], ...]:
    return (
        (
            "vllm:num_requests_running",
            "Number of requests in model execution batches.",
            float(engine.running(now)),
        ),
        (
            "vllm:num_requests_waiting",
            "Number of requests waiting to be processed.",
            float(engine.waiting(now)),
        ),
        (
            "vllm:kv_cache_usage_perc",
            "KV-cache usage. 1 means 100 percent usage.",
            round(engine.kv_usage(now), 6),
        ),
    )


def _counters(engine: EngineModel) -> tuple[tuple[str, str, float], ...]:
    return (
        ("vllm:prompt_tokens", "Number of prefill tokens processed.", engine.prompt_tokens),
        ("vllm:generation_tokens", "Number of generation tokens processed.", engine.generated),
        (
            "vllm:num_preemptions",
            "Cumulative number of preemption from the engine.",
            float(int(engine.preemptions)),
        ),
        ("vllm:prefix_cache_queries", "Prefix cache queries, in tokens.", engine.queries),
        ("vllm:prefix_cache_hits", "Prefix cache hits, in tokens.", engine.hits),
    )


def _finished(engine: EngineModel, labels: str) -> list[str]:
    name = "vllm:request_success_total"
    shares = {"stop": 0.9, "length": 0.1, "abort": 0.0, "error": 0.0}
    samples = [
        f'{name}{{{labels},finished_reason="{reason}"}} {engine.finished * share}'
        for reason, share in shares.items()
    ]
    return family(name, "Count of successfully processed requests.", "counter", samples)


def _histograms(engine: EngineModel) -> tuple[tuple[str, str, Buckets], ...]:
    return (
        (
            "vllm:time_to_first_token_seconds",
            "Histogram of time to first token in seconds.",
            engine.ttft,
        ),
        (
            "vllm:inter_token_latency_seconds",
            "Histogram of inter-token latency in seconds.",
            engine.itl,
        ),
        (
            "vllm:e2e_request_latency_seconds",
            "Histogram of e2e request latency in seconds.",
            engine.e2e,
        ),
    )


def bucket_lines(name: str, labels: str, buckets: Buckets) -> list[str]:
    lines: list[str] = []
    running = 0.0
    for bound, count in zip((*buckets.bounds, "+Inf"), buckets.counts, strict=True):
        running += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {running}')
    lines.append(f"{name}_count{{{labels}}} {running}")
    lines.append(f"{name}_sum{{{labels}}} {buckets.total}")
    return lines


def family(name: str, help_text: str, kind: str, samples: list[str]) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *samples]
