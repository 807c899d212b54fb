"""What an engine prints of its memory when it starts, and what the plan had said: side by side."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class StartupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """GiB on one GPU, tokens and requests of the whole engine; None where it was not printed."""

    weights_gib: float | None = None
    kv_cache_gib: float | None = None
    kv_tokens: int | None = None
    max_concurrency: float | None = None
    cuda_graphs_gib: float | None = None

    def and_then(self, later: StartupFigures) -> StartupFigures:
        """Both together. Every rank prints its own: the most weights and the least cache count."""
        return StartupFigures(
            weights_gib=_both(max, self.weights_gib, later.weights_gib),
            kv_cache_gib=_both(min, self.kv_cache_gib, later.kv_cache_gib),
            kv_tokens=later.kv_tokens if later.kv_tokens is not None else self.kv_tokens,
            max_concurrency=later.max_concurrency
            if later.max_concurrency is not None
            else self.max_concurrency,
            cuda_graphs_gib=_both(max, self.cuda_graphs_gib, later.cuda_graphs_gib),
        )


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan of a launch said. `key` names what the difference is remembered for.

    `phases_s`: what the phases of a start took the last time on this box, in seconds;
    `unpack_bytes_per_s`: how fast it unpacked its last image, in compressed bytes.
    """

    key: str
    figures: StartupFigures
    corrected_by_gib: float = 0.0
    phases_s: tuple[tuple[str, float], ...] = ()
    unpack_bytes_per_s: float | None = None

    @property
    def start_key(self) -> str:
        """What a start's duration depends on: engine, release, model, checkpoint, GPUs."""
        return "/".join(self.key.split("/")[:5])


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table "planned / measured / difference"."""

    what: str
    unit: str
    planned: float | None
    measured: float | None

    @property
    def difference(self) -> float | None:
        if self.planned is None or self.measured is None:
            return None
        return self.measured - self.planned


_ROWS = (
    ("weights", "GiB", "weights_gib"),
    ("KV cache", "GiB", "kv_cache_gib"),
    ("KV cache", "tokens", "kv_tokens"),
    ("requests at once", "", "max_concurrency"),
    ("CUDA graphs", "GiB", "cuda_graphs_gib"),
)


def compare(planned: StartupFigures, measured: StartupFigures) -> tuple[Comparison, ...]:
    """The rows of which the engine has printed something."""
    return tuple(
        Comparison(what=what, unit=unit, planned=getattr(planned, field), measured=value)
        for what, unit, field in _ROWS
        if (value := getattr(measured, field)) is not None
    )


def correction_gib(prediction: Prediction, measured: StartupFigures) -> float | None:
    """By how many GiB the plan, uncorrected, was off in the KV cache of one GPU; None if unknown."""
    planned, seen = prediction.figures.kv_cache_gib, measured.kv_cache_gib
    if planned is None or seen is None:
        return None
    return seen - planned + prediction.corrected_by_gib


def _both(
    choose: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)
