"""A simulated server: how it loads, how loaded it is, and what its counters say. No timer runs.

Every figure is computed when it is asked for, from the time that has passed since the last
question; so an idle simulated box costs nothing.
"""

from __future__ import annotations

import bisect
import math
import random
from dataclasses import dataclass, field

# Seconds at which TTFT, inter-token and request latencies are counted, as in vLLM's own buckets.
TTFT_BOUNDS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0
)  # fmt: skip
ITL_BOUNDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
E2E_BOUNDS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0)

DRAINED_S = 4.0  # how long the background's requests go on, in the mean


@dataclass
class Buckets:
    """A Prometheus histogram: cumulative counts are made when it is printed."""

    bounds: tuple[float, ...]
    counts: list[float] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0.0] * (len(self.bounds) + 1)

    def add(self, value: float, weight: float = 1.0) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += weight
        self.total += value * weight


@dataclass
class EngineModel:
    """The serving side of one container, once it is ready.

    `slots` is how many requests run at once, `kv_tokens` and `kv_blocks` the KV pool,
    `max_concurrency` how many requests of the whole context that pool holds, `rate` the tokens per
    second of one request alone. `traffic` is the mean number of background requests that want
    to be served (0: none but the user's). `asked`: somebody has had an answer.
    """

    kv_tokens: int
    kv_blocks: int
    max_concurrency: float
    slots: int
    rate: float
    traffic: float
    seed: int
    since: float
    asked: bool = False
    chats: int = 0
    chat_tokens: int = 0
    prompt_tokens: float = 0.0
    generated: float = 0.0
    finished: float = 0.0
    preemptions: float = 0.0
    queries: float = 0.0
    hits: float = 0.0
    ttft: Buckets = field(default_factory=lambda: Buckets(TTFT_BOUNDS))
    itl: Buckets = field(default_factory=lambda: Buckets(ITL_BOUNDS))
    e2e: Buckets = field(default_factory=lambda: Buckets(E2E_BOUNDS))
    draining_since: float | None = None
    _counted: float = 0.0

    def __post_init__(self) -> None:
        self._counted = self.since
        self._random = random.Random(self.seed)  # noqa: S311  a picture, not a secret

    def wanted(self, now: float) -> float:
        """Requests that want to be served at `now`: two waves and, now and then, a rush."""
        if not self.traffic:
            return float(self.chats)
        age = max(0.0, now - self.since)
        ramp = min(1.0, age / 20)
        wave = 1 + 0.35 * math.sin(age / 17) + 0.18 * math.sin(age / 5.3 + 1)
        rush = 1.9 if 45 < age % 120 < 70 else 1.0
        return max(0.0, self.traffic * ramp * wave * rush) * self._left(now) + self.chats

    def _left(self, now: float) -> float:
        """The part of the background that has not ended yet, once no new requests are taken."""
        if self.draining_since is None:
            return 1.0
        return math.exp((self.draining_since - now) / DRAINED_S)

    def running(self, now: float) -> int:
        return min(self.slots, round(self.wanted(now)))

    def waiting(self, now: float) -> int:
        return max(0, round(self.wanted(now)) - self.slots)

    def kv_usage(self, now: float) -> float:
        """0.0 to 1.0: each running request holds most of its context."""
        return min(0.995, self.running(now) * 0.9 / self.max_concurrency)

    def tokens_per_s(self, now: float) -> float:
        """Of all requests together: batching costs each of them some speed."""
        running = self.running(now)
        return running * self.rate / (1 + 0.045 * running)

    def count(self, now: float) -> None:
        """Bring the counters up to `now`."""
        step = 1.0
        while self._counted < now:
            span = min(step, now - self._counted)
            self._counted += span
            self._count_span(self._counted, span)

    def _count_span(self, at: float, span: float) -> None:
        background = self.running(at) - self.chats
        if background <= 0:
            return
        tokens = self.tokens_per_s(at) * span * background / max(1, self.running(at))
        requests = tokens / 260
        self.generated += tokens
        self.prompt_tokens += requests * 900
        self.queries += requests * 900
        self.hits += requests * 900 * 0.38
        self.finished += requests
        pressure = self.waiting(at) / self.slots if self.slots else 0.0
        spread = self._random.lognormvariate(0, 0.35)
        self.ttft.add((0.045 + 0.9 * pressure) * spread, requests)
        per_token = (1 + 0.045 * self.running(at)) / self.rate
        self.itl.add(per_token * spread, tokens)
        self.e2e.add(260 * per_token * spread, requests)
        if pressure > 0.5:
            self.preemptions += 0.2 * span

    def count_chat(self, prompt: int, tokens: int, ttft: float, took: float) -> None:
        """A request of the user's own has ended."""
        self.prompt_tokens += prompt
        self.generated += tokens
        self.finished += 1
        self.queries += prompt
        self.ttft.add(ttft)
        if tokens > 1:
            self.itl.add(max(0.0, took - ttft) / (tokens - 1), tokens - 1)
        self.e2e.add(took)
