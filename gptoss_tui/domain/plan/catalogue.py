"""Cards by the names that nvidia-smi prints, for plans without a box."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A card: memory in MiB as the driver reports it, bandwidth in GB/s; null where not known."""

    name: str
    mib: int | None = None
    compute_capability: str | None = None
    bandwidth_gb_s: float | None = None


@cache
def cards() -> tuple[Card, ...]:
    """The catalogue, in the order of its file."""
    text = files(__package__).joinpath("gpus.json").read_bytes()
    return tuple(msgspec.json.decode(text, type=list[Card]))


def card_named(name: str) -> Card | None:
    """The card of that name, with or without "NVIDIA " in front; None for one not in it."""
    wanted = name.strip().lower().removeprefix("nvidia ")
    for card in cards():
        if card.name.lower().removeprefix("nvidia ") == wanted:
            return card
    return None
