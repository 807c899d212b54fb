"""What it costs: by the hour, by the million tokens, against hosted prices; and the guide's sums.

The guide multiplies tokens by a price per token, as if only the seconds used were paid. A rented
GPU costs its hours whether it works or not; both are shown.
"""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan.catalogue import HostedPrice, Price, card_named, hosted

HOURS_A_MONTH = 730.0
UTILIZATION = 0.7  # the guide's
INPUT_SHARE = 0.75  # three tokens read for one written


class Breakeven(msgspec.Struct, frozen=True, kw_only=True):
    """From how many tokens a month (input and output) owning the hours is cheaper than buying."""

    provider: str
    usd_per_m_tokens: float
    tokens_per_month: float
    reachable: bool


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """US dollars. `always_on_usd_per_month` is for 730 hours of all cards.

    Per million output tokens: `usd_per_m_output_tokens` where the hours are paid and `utilization`
    of the expected throughput is used in them, which is what a GPU costs that is always on and that
    busy; `on_demand_usd_per_m` where only working seconds are paid; `spot_usd_per_m` as the first,
    by the cheapest spot price, where that is below; `always_on_usd_per_m` if no more than
    `tokens_per_month` are made.

    `guide_usd_per_m` is the guide's arithmetic with the guide's own price and speed.
    """

    usd_per_hour: float
    prices: tuple[Price, ...]
    spot_usd_per_hour: float | None
    utilization: float
    usd_per_m_output_tokens: float | None
    on_demand_usd_per_m: float | None
    spot_usd_per_m: float | None
    always_on_usd_per_month: float
    tokens_per_month: float | None
    always_on_usd_per_m: float | None
    breakeven: tuple[Breakeven, ...]
    hosted_source: str
    guide_usd_per_m: float | None


# The guide's rows: price an hour and tokens a second of one configuration.
_GUIDE = {
    ("20b", "NVIDIA A100-SXM4-80GB", 1): (1.08, 1200.0),
    ("120b", "NVIDIA H100 80GB HBM3", 1): (2.40, 1600.0),
}


def cost(
    model: str,
    gpu: str,
    gpus: int,
    *,
    output_tokens_per_s: float | None,
    usd_per_hour: float | None = None,
    utilization: float = UTILIZATION,
    tokens_per_month: float | None = None,
    offer: HostedPrice | None = None,
) -> Cost | None:
    """The costs of `gpus` cards; None where no price is known and none is given.

    `usd_per_hour` (of one card) overrides the catalogue's cheapest on-demand price, and `offer` the
    hosted prices; `output_tokens_per_s` is of all cards together.
    """
    card = card_named(gpu)
    cheapest = card.cheapest() if card else None
    if usd_per_hour is None:
        if cheapest is None:
            return None
        usd_per_hour = cheapest.usd_per_hour
    hourly = usd_per_hour * gpus
    spot = card.cheapest("spot") if card else None
    # Of another vendor it may cost more than the cheapest that nobody takes back.
    cheaper = spot is not None and spot.usd_per_hour < usd_per_hour
    spot_hourly = spot.usd_per_hour * gpus if spot and cheaper else None
    monthly = hourly * HOURS_A_MONTH
    guide = _GUIDE.get((model, card.name if card else gpu, gpus))
    return Cost(
        usd_per_hour=hourly,
        prices=card.prices if card else (),
        spot_usd_per_hour=spot_hourly,
        utilization=utilization,
        usd_per_m_output_tokens=per_million(hourly, output_tokens_per_s, utilization),
        on_demand_usd_per_m=per_million(hourly, output_tokens_per_s, 1.0),
        spot_usd_per_m=None
        if spot_hourly is None
        else per_million(spot_hourly, output_tokens_per_s, utilization),
        always_on_usd_per_month=monthly,
        tokens_per_month=tokens_per_month,
        always_on_usd_per_m=monthly / (tokens_per_month / 1e6) if tokens_per_month else None,
        breakeven=_breakeven(_offers(model, offer), monthly, output_tokens_per_s),
        hosted_source=f"{hosted().source} ({hosted().date})" if offer is None else "given by hand",
        guide_usd_per_m=per_million(guide[0], guide[1], UTILIZATION) if guide else None,
    )


def per_million(
    usd_per_hour: float, tokens_per_s: float | None, utilization: float
) -> float | None:
    """US dollars per million tokens where `utilization` of an hour's tokens are made (the guide's)."""
    if not tokens_per_s:
        return None
    return usd_per_hour / (tokens_per_s * utilization * 3600) * 1e6


def _offers(model: str, given: HostedPrice | None) -> list[HostedPrice]:
    """The cheapest, the median and the dearest provider, or the one that was given."""
    if given is not None:
        return [given]
    offers = sorted(
        (offer for offer in hosted().prices if offer.model == model),
        key=lambda offer: offer.blend(INPUT_SHARE),
    )
    if not offers:
        return []
    chosen = {id(offer): offer for offer in (offers[0], offers[len(offers) // 2], offers[-1])}
    return list(chosen.values())


def _breakeven(
    offers: list[HostedPrice], monthly: float, output_tokens_per_s: float | None
) -> tuple[Breakeven, ...]:
    most = _tokens_a_month(output_tokens_per_s)
    return tuple(
        Breakeven(
            provider=offer.provider,
            usd_per_m_tokens=offer.blend(INPUT_SHARE),
            tokens_per_month=monthly / offer.blend(INPUT_SHARE) * 1e6,
            reachable=most is not None and most >= monthly / offer.blend(INPUT_SHARE) * 1e6,
        )
        for offer in offers
    )


def _tokens_a_month(output_tokens_per_s: float | None) -> float | None:
    """All tokens that one arrangement could handle, its input counted in by the blend."""
    if not output_tokens_per_s:
        return None
    return output_tokens_per_s / (1 - INPUT_SHARE) * 3600 * HOURS_A_MONTH
