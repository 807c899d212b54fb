"""A card as CUDA sees it: what the driver keeps of its memory, where the box does not tell."""

from __future__ import annotations

from gptoss_tui.domain.plan.catalogue import Card, card_named
from gptoss_tui.domain.plan.types import PlanGpu

_MIB = 1024**2
# Of cards that are in no table: GeForce keeps less (RTX 4090: 357, RTX 3090: 328 MiB), cards with
# ECC more (L40S 609, A100 820, T4 450 MiB); 0.3 to 3 % were seen.
_SHARE, _SHARE_WITH_ECC = 0.0055, 0.012
# Systems whose GPU has no memory of its own (CUDA sees the host's).
_UNIFIED = {"gb10", "thor", "orin"}
_MIG = " mig "


def reserved_bytes(name: str, total_bytes: int) -> int:
    """Bytes of `total_bytes` (as nvidia-smi prints it) that CUDA does not see: catalogue or guess.

    `nvidia-smi --query-gpu=memory.reserved` has the exact figure: on an H200 143,771 MiB less
    616 MiB are what CUDA reports, to the MiB. A total below the card's own is taken for what CUDA
    sees already, which is what engines print in their logs; so is the memory of a MIG slice.
    """
    if is_slice(name):
        return 0
    card = card_named(name)
    if card is None or card.mib is None or card.reserved_mib is None:
        geforce = "geforce" in name.lower()
        return int(total_bytes * (_SHARE if geforce else _SHARE_WITH_ECC))
    visible = (card.mib - card.reserved_mib) * _MIB
    return min(card.reserved_mib * _MIB, max(0, total_bytes - visible))


def is_guessed(name: str) -> bool:
    """Whether `reserved_bytes` of this card is a share of its memory only."""
    card = card_named(name)
    return is_slice(name) or card is None or card.mib is None or card.reserved_mib is None


def is_slice(name: str) -> bool:
    """Whether the name is that of a MIG slice: "NVIDIA H100 80GB HBM3 MIG 3g.40gb"."""
    return _MIG in name.lower()


def whole_card(name: str) -> str:
    """The name without that of the slice."""
    return name[: name.lower().index(_MIG)] if is_slice(name) else name


def is_unified(name: str) -> bool:
    """Whether the GPU shares the host's memory (GB10, Jetson)."""
    return bool(_UNIFIED & set(name.lower().split()))


def gpu_of(card: Card, index: int = 0) -> PlanGpu:
    """A free card of the catalogue as the planner takes it; its memory must be known."""
    assert card.mib is not None
    total = card.mib * _MIB
    return PlanGpu(
        name=card.name,
        memory_total_bytes=total,
        memory_reserved_bytes=reserved_bytes(card.name, total),
        reserved_guessed=is_guessed(card.name),
        compute_capability=card.compute_capability,
        index=index,
    )
