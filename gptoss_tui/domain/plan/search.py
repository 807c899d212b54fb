"""The other direction: which cards hold so many users, and what does it cost?

Over the cards of the catalogue, tensor parallelism and replicas on one box of at most eight GPUs.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from math import ceil

import msgspec

from gptoss_tui.domain.plan.catalogue import Card, Price, cards
from gptoss_tui.domain.plan.checks import check_common
from gptoss_tui.domain.plan.cost import UTILIZATION, per_million
from gptoss_tui.domain.plan.device import gpu_of
from gptoss_tui.domain.plan.kv import dtype_bytes
from gptoss_tui.domain.plan.planner import check_engine
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.speed import Band, throughput
from gptoss_tui.domain.plan.types import Plan, PlanGpu, PlanRequest, Verdict
from gptoss_tui.domain.words import plural

GPUS_A_BOX = 8
_SIZES = (1, 2, 4, 8)
_ANY_GPU = PlanGpu(name="any", memory_total_bytes=1)


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """A box that serves what was asked for: `replicas` servers of `tensor_parallel_size` GPUs each.

    `holds` is how many requests of the whole context fit at once, over all replicas;
    `tokens_per_s` of all users together; `usd_per_hour` by the cheapest known on-demand price,
    None where none is known, and `usd_per_m_output_tokens` where it is always on and that busy.
    `loses` says what the next dearer one would give.
    """

    gpu: str
    gpus: int
    tensor_parallel_size: int
    replicas: int
    verdict: Verdict
    holds: int
    tokens_per_s: Band | None
    usd_per_hour: float | None
    usd_per_m_output_tokens: float | None = None
    price: Price | None
    command: tuple[str, ...]
    loses: str = ""


def search(
    request: PlanRequest,
    *,
    among: Iterable[Card] | None = None,
    limit: int = 8,
    gpus_at_most: int = GPUS_A_BOX,
    busy: float = UTILIZATION,
) -> tuple[Arrangement, ...]:
    """The cheapest arrangements first, those of unknown price after them.

    `request.users` and `request.max_model_len` are what is asked for, and `tensor_parallel_size`
    where it is given; its GPUs are ignored. One arrangement of each card is kept: of the fewest
    GPUs, and of these the one that holds most. Raises `PlanInputError`.
    """
    check_engine(request.engine)
    check_common(msgspec.structs.replace(request, gpus=(_ANY_GPU,)))
    wanted = request.tensor_parallel_size
    sizes = _SIZES if wanted is None else tuple(size for size in _SIZES if size == wanted)
    found: list[Arrangement] = []
    for card in among if among is not None else cards():
        if card.mib is None:
            continue
        tried = (_arrange(request, card, size, gpus_at_most, busy) for size in sizes)
        mine = [made for made in tried if made is not None]
        found += sorted(mine, key=lambda made: (made.gpus, -made.holds))[:1]
    found.sort(key=_rank)
    return _compared(found[:limit])


def _arrange(
    request: PlanRequest, card: Card, size: int, gpus_at_most: int, busy: float
) -> Arrangement | None:
    """The fewest replicas of `size` GPUs that hold the users; None where the box is too small."""
    users = request.users or 1
    gpus = tuple(gpu_of(card, index) for index in range(size))
    one = msgspec.structs.replace(request, gpus=gpus, tensor_parallel_size=size, users=1)
    room = int(recommend(one).kv_cache.max_concurrency)
    if room < 1:
        return None
    for replicas in range(ceil(users / room), gpus_at_most // size + 1):
        made = recommend(msgspec.structs.replace(one, users=ceil(users / replicas)))
        if made.verdict in ("fits", "tight"):
            return _arrangement(made, card, replicas, busy)
    return None


def _arrangement(made: Plan, card: Card, replicas: int, busy: float) -> Arrangement:
    price, size = card.cheapest(), made.gpus_used
    speed = throughput(
        made.request.model,
        card.name,
        size,
        users=made.request.users or 1,
        context=made.request.max_model_len or 1,
        kv_bytes=dtype_bytes(made.request.kv_cache_dtype),
        engine=made.request.engine,
    )
    together = None if speed is None else _times(speed.all_users, replicas)
    hourly = None if price is None else price.usd_per_hour * size * replicas
    return Arrangement(
        gpu=card.name,
        gpus=size * replicas,
        tensor_parallel_size=made.tensor_parallel_size,
        replicas=replicas,
        verdict=made.verdict,
        holds=int(made.kv_cache.max_concurrency) * replicas,
        tokens_per_s=together,
        usd_per_hour=hourly,
        usd_per_m_output_tokens=None
        if hourly is None or together is None
        else per_million(hourly, together.expected, busy),
        price=price,
        command=made.command,
    )


def _times(band: Band, factor: int) -> Band:
    return Band(low=band.low * factor, expected=band.expected * factor, high=band.high * factor)


def _rank(made: Arrangement) -> tuple[bool, float, int, int]:
    unknown = made.usd_per_hour is None
    return unknown, made.usd_per_hour or 0.0, 0 if made.verdict == "fits" else 1, made.gpus


def _compared(ranked: list[Arrangement]) -> tuple[Arrangement, ...]:
    """Each with what it loses against the next one."""
    return tuple(
        msgspec.structs.replace(made, loses=_loses(made, dearer))
        for made, dearer in zip_longest(ranked, ranked[1:])
    )


def _loses(made: Arrangement, dearer: Arrangement | None) -> str:
    if dearer is None:
        return ""
    lost: list[str] = []
    if made.holds < dearer.holds:
        lost.append(f"holds {plural(dearer.holds - made.holds, 'more request')}")
    if made.tokens_per_s and dearer.tokens_per_s:
        share = 1 - made.tokens_per_s.expected / dearer.tokens_per_s.expected
        if share > 0.02:
            lost.append(f"is {1 / (1 - share):.1f} times as fast")
    if made.verdict == "tight" and dearer.verdict == "fits":
        lost.append("is not tight")
    return f"the next one {' and '.join(lost) or 'gives nothing more'}"
