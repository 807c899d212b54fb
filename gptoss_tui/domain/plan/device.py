"""A card as CUDA sees it: what the driver keeps of its memory, where the box does not tell."""

from __future__ import annotations

from gptoss_tui.domain.plan.catalogue import Card, card_named
from gptoss_tui.domain.plan.types import PlanGpu

_MIB = 1024**2
# H100 474, H200 616 (measured), B200 729, RTX 4090 357, RTX 3090 328 MiB: 0.3 to 1.5 % of a card.
_SHARE = 0.0055


def reserved_bytes(name: str, total_bytes: int) -> int:
    """Bytes of `total_bytes` (as nvidia-smi prints it) that CUDA does not see: catalogue or guess.

    `nvidia-smi --query-gpu=memory.reserved` has the exact figure: on an H200 143,771 MiB less
    616 MiB are what CUDA reports, to the MiB. A total below the card's own is taken for what CUDA
    sees already, which is what engines print in their logs.
    """
    card = card_named(name)
    if card is None or card.mib is None or card.reserved_mib is None:
        return int(total_bytes * _SHARE)
    if total_bytes <= (card.mib - card.reserved_mib / 2) * _MIB:
        return 0
    return card.reserved_mib * _MIB


def gpu_of(card: Card, index: int = 0) -> PlanGpu:
    """A free card of the catalogue as the planner takes it; its memory must be known."""
    assert card.mib is not None
    total = card.mib * _MIB
    return PlanGpu(
        name=card.name,
        memory_total_bytes=total,
        memory_reserved_bytes=reserved_bytes(card.name, total),
        compute_capability=card.compute_capability,
        index=index,
    )
