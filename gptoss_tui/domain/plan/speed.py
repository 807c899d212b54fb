"""How fast it will be, roughly: a roofline with three overheads, checked against measurements.

    step(b) = bytes(b) / (0.8 * bandwidth * GPUs)  +  layers * overhead  +  (b - 1) * 60 us
              + 2 * active parameters * b / (0.3 * BF16 FLOP/s * GPUs)

`bytes(b)` is what one decode step of `b` requests reads: the dense weights without the input
embedding, the experts that b requests are expected to touch, and their KV cache. The constants are
fitted to the published rows of `speeds.json`, which lie between 0.45 and 2 times the
model: that is the band, and a test holds it.
"""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan.catalogue import Card, Speed, card_named, speeds
from gptoss_tui.domain.plan.models import Model, model_named

Basis = str
LOW, HIGH = 0.45, 2.0
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


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens a second. `one_user` is what a single request sees, `all_users` all of them together
    at `users` requests of `context` tokens; `prefill` is how fast prompts are read; `ttft_s` the
    wait for the first token of a 1,024-token prompt on an idle server, in seconds.

    `published` are measurements by others of the same cards and model; `guide_tokens_per_s` the
    guide's own estimate for it; `measured_here` what this box has shown, if anything.
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
    measured_here: float | None = None


def throughput(
    model_name: str,
    gpu: str,
    gpus: int,
    *,
    users: int,
    context: int,
    kv_bytes: int = 2,
    engine: str = "vllm",
    measured_here: float | None = None,
) -> Throughput | None:
    """The estimate for `gpus` cards sharing one model; None where the bandwidth is not known."""
    model, card = model_named(model_name), card_named(gpu)
    if card is None or card.bandwidth_gb_s is None:
        return None
    alone = 1 / step_s(model, card, gpus, users=1, context=context, kv_bytes=kv_bytes)
    together = users / step_s(model, card, gpus, users=users, context=context, kv_bytes=kv_bytes)
    prefill = _prefill(model, card, gpus)
    ttft = None if prefill is None else _PROMPT_TOKENS / prefill + _FIRST_TOKEN_S
    same = [s for s in speeds() if (s.gpu, s.gpus, s.model) == (card.name, gpus, model.key)]
    guide = next((s.output_tokens_per_s for s in same if s.kind == "the guide"), None)
    return Throughput(
        users=users,
        context=context,
        one_user=_band(alone),
        all_users=_band(together),
        prefill=None if prefill is None else _band(prefill),
        ttft_s=None if ttft is None else _band(ttft),
        basis="roofline, fitted to published runs (docs/planner.md)"
        if measured_here is None
        else "roofline; this box has shown measured_here",
        published=tuple(s for s in same if s.kind != "the guide" and s.engine == engine),
        guide_tokens_per_s=guide,
        measured_here=measured_here,
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


def _band(expected: float) -> Band:
    return Band(low=expected * LOW, expected=expected, high=expected * HIGH)
