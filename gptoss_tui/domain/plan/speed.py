"""How fast it will be, roughly: a roofline with three overheads, checked against measurements.

    step(b) = bytes(b) / (0.8 * bandwidth * GPUs)  +  layers * overhead  +  (b - 1) * 60 us
              + 2 * active parameters * b / (0.3 * BF16 FLOP/s * GPUs)

`bytes(b)` is what one decode step of `b` requests reads: the dense weights without the input
embedding, the experts that b requests are expected to touch, and their KV cache. The constants are
fitted to the published rows of `speeds.json`, which lie between 0.38 and 1.43 times the model at the
users that they name: the band holds them all, and a test says so.
"""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan.catalogue import Card, Speed, card_named, speeds
from gptoss_tui.domain.plan.models import Model, model_named

Basis = str
HIGH = 2.0
# The lower end by engine. SGLang's published saturated run of 20b is at 0.30 of the model on an H100
# (2,679 tokens/s), and at 0.05 on an A100 (266), which no band is meant to hold.
LOW = {"vllm": 0.35, "sglang": 0.25, "ollama": 0.35}
_BASIS = {
    "vllm": "roofline, fitted to published runs (docs/planner.md)",
    "sglang": "roofline fitted to vLLM's runs; SGLang's published ones are at 0.3 to 1 of it on Hopper",
    "ollama": "roofline fitted to vLLM's runs; llama.cpp's few published ones lie near it",
}
_RUNS_OF = {"ollama": "llama.cpp"}  # whose published runs stand beside an engine, if not its own
_BANDWIDTH_SHARE = 0.8
_COMPUTE_SHARE = 0.3
_LAYER_S = 35e-6  # kernel launches and small kernels, per layer
_ALL_REDUCE_S = 15e-6  # twice per layer with tensor parallelism
_HOST_S = 60e-6  # scheduling, sampling and detokenising, per request and step
_FIRST_TOKEN_S = 0.02
_PROMPT_TOKENS = 1024


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with how far off it may be."""

    low: float
    expected: float
    high: float


class SeenSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens generated a second by a server of this box, while so many requests ran."""

    tokens_per_s: float
    requests: float


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens a second. `one_user` is what a single request sees, `all_users` all of them together
    at `users` requests of `context` tokens; `prefill` is how fast prompts are read; `ttft_s` the
    wait for the first token of a 1,024-token prompt on an idle server, in seconds.

    `published` are measurements by others of the same cards, model and engine;
    `guide_tokens_per_s` the guide's own estimate, which is for vLLM. `seen_here` is the most that
    this box has been seen to generate with these flags, and the requests that ran then.
    """

    users: int
    context: int
    one_user: Band
    all_users: Band
    prefill: Band | None
    ttft_s: Band | None
    basis: Basis
    published: tuple[Speed, ...] = ()
    guide_tokens_per_s: float | None = None
    seen_here: SeenSpeed | None = None


def throughput(
    model_name: str,
    gpu: str,
    gpus: int,
    *,
    users: int,
    context: int,
    kv_bytes: int = 2,
    engine: str = "vllm",
    seen: SeenSpeed | None = None,
) -> Throughput | None:
    """The estimate for `gpus` cards sharing one model; None where the bandwidth is not known.

    Ollama gives each card some of the layers, which work one after the other: as fast as one card.
    """
    model, card = model_named(model_name), card_named(gpu)
    if card is None or card.bandwidth_gb_s is None:
        return None
    at_once, low = (1 if engine == "ollama" else gpus), LOW[engine]
    alone = 1 / step_s(model, card, at_once, users=1, context=context, kv_bytes=kv_bytes)
    together = users / step_s(model, card, at_once, users=users, context=context, kv_bytes=kv_bytes)
    prefill = _prefill(model, card, at_once)
    ttft = None if prefill is None else _PROMPT_TOKENS / prefill + _FIRST_TOKEN_S
    mine = (card.name, gpus, model.key, _RUNS_OF.get(engine, engine))
    same = [run for run in speeds() if (run.gpu, run.gpus, run.model, run.engine) == mine]
    guide = next((run.output_tokens_per_s for run in same if run.kind == "the guide"), None)
    return Throughput(
        users=users,
        context=context,
        one_user=_band(alone, low),
        all_users=_band(together, low),
        prefill=None if prefill is None else _band(prefill, low),
        ttft_s=None if ttft is None else Band(low=ttft / HIGH, expected=ttft, high=ttft / low),
        basis=_BASIS[engine],
        published=tuple(run for run in same if run.kind != "the guide"),
        guide_tokens_per_s=guide,
        seen_here=seen,
    )


def step_s(
    model: Model, card: Card, gpus: int, *, users: int, context: int, kv_bytes: int = 2
) -> float:
    """Seconds of one decode step of `users` requests, each with `context` tokens of KV cache."""
    assert card.bandwidth_gb_s is not None
    read = bytes_read(model, users, context, kv_bytes)
    overhead = _LAYER_S + (2 * _ALL_REDUCE_S if gpus > 1 else 0.0)
    seconds = read / (_BANDWIDTH_SHARE * card.bandwidth_gb_s * 1e9 * gpus)
    seconds += model.layers * overhead + (users - 1) * _HOST_S
    if card.tflops_bf16:
        seconds += 2 * model.active_parameters * users / _flops(card, gpus)
    return seconds


def bytes_read(model: Model, users: int, context: int, kv_bytes: int) -> float:
    """Bytes that one decode step reads from memory."""
    embedding = model.vocabulary * model.hidden * 2
    touched = 1 - (1 - model.experts_per_token / model.experts) ** users
    experts = model.expert_bytes(model.hidden, model.intermediate) * touched
    token = model.layers // 2 * 2 * model.kv_heads * model.head_dim * kv_bytes
    cache = users * token * (context + min(context, model.window))
    return model.dense_bytes - embedding + experts + cache


def _prefill(model: Model, card: Card, gpus: int) -> float | None:
    """Prompt tokens a second: compute decides."""
    if not card.tflops_bf16:
        return None
    return _flops(card, gpus) / (2 * model.active_parameters)


def _flops(card: Card, gpus: int) -> float:
    assert card.tflops_bf16 is not None
    return _COMPUTE_SHARE * card.tflops_bf16 * 1e12 * gpus


def _band(expected: float, low: float) -> Band:
    return Band(low=expected * low, expected=expected, high=expected * HIGH)
