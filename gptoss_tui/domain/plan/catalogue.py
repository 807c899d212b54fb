"""What the planner knows of the world, from data files beside it: cards, speeds, hosted prices.

Every price and every speed has its source and date; what is not known is null.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar

import msgspec

T = TypeVar("T")


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one card costs to rent, in US dollars an hour."""

    vendor: str
    usd_per_hour: float
    kind: Literal["on_demand", "spot"]
    source: str
    date: str


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card by the name that nvidia-smi prints.

    Memory in MiB as the driver reports it, `reserved_mib` what the driver keeps of it for itself;
    bandwidth in GB/s (10^9 bytes); `tflops_bf16` dense; power in W; `nvlink` in GB/s, or the kind
    of link, null where there is none.
    """

    name: str
    mib: int | None = None
    compute_capability: str | None = None
    bandwidth_gb_s: float | None = None
    reserved_mib: int | None = None
    tflops_bf16: float | None = None
    power_w: float | None = None
    nvlink: str | None = None
    prices: tuple[Price, ...] = ()

    def cheapest(self, kind: Literal["on_demand", "spot"] = "on_demand") -> Price | None:
        """The lowest known price of that kind."""
        fitting = [price for price in self.prices if price.kind == kind]
        return min(fitting, key=lambda price: price.usd_per_hour, default=None)


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """A published measurement: output tokens a second of all users together."""

    kind: Literal["saturated", "few users", "one user", "the guide"]
    gpu: str
    gpus: int
    model: str
    engine: str
    engine_version: str | None
    users: int | None
    output_tokens_per_s: float
    source: str
    date: str


class HostedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider asks for GPT-OSS, in US dollars per million tokens."""

    model: str
    provider: str
    usd_per_m_input: float
    usd_per_m_output: float

    def blend(self, input_share: float) -> float:
        """The price of a million tokens of which `input_share` (0 to 1) are input."""
        return input_share * self.usd_per_m_input + (1 - input_share) * self.usd_per_m_output


class Hosted(msgspec.Struct, frozen=True, kw_only=True):
    """Hosted prices with where they are from."""

    source: str
    date: str
    prices: tuple[HostedPrice, ...]


def _read(name: str, kind: type[T]) -> T:
    return msgspec.json.decode(files(__package__).joinpath(name).read_bytes(), type=kind)


@cache
def cards() -> tuple[Card, ...]:
    """The catalogue, in the order of its file."""
    return tuple(_read("gpus.json", list[Card]))


@cache
def speeds() -> tuple[Speed, ...]:
    """Published measurements, and the guide's own estimates (kind "the guide")."""
    return tuple(_read("speeds.json", list[Speed]))


@cache
def hosted() -> Hosted:
    """What hosted GPT-OSS costs."""
    return _read("hosted.json", Hosted)


def card_named(name: str) -> Card | None:
    """The card of that name, with or without "NVIDIA " in front; None for one not in it."""
    return _by_name().get(_key(name))


def cards_like(name: str) -> tuple[Card, ...]:
    """The cards whose names hold all words of `name`: "H100" finds several, "rtx 4090" one."""
    words = _key(name).split()
    return tuple(card for card in cards() if words and all(w in _key(card.name) for w in words))


@cache
def _by_name() -> dict[str, Card]:
    return {_key(card.name): card for card in cards()}


def _key(name: str) -> str:
    return name.strip().lower().removeprefix("nvidia ")
