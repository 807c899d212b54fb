"""The cards that the words of `plan` name: of the catalogue, or by their memory."""

from __future__ import annotations

from argparse import Namespace

from gptoss_tui.domain.gpu import MIB
from gptoss_tui.domain.near import did_you_mean
from gptoss_tui.domain.plan.catalogue import Card, card_named, cards, cards_like
from gptoss_tui.domain.plan.checks import GPUS_AT_MOST, checked_capability
from gptoss_tui.domain.plan.device import is_guessed, reserved_bytes, whole_card
from gptoss_tui.domain.plan.types import PlanGpu
from gptoss_tui.domain.plan.wrong import PlanInputError


def gpus_of(arguments: Namespace, default: int) -> int:
    """--gpus, at least 1 and no more than a box has. Raises `PlanInputError`."""
    count: int = default if arguments.gpus is None else arguments.gpus
    if not 1 <= count <= GPUS_AT_MOST:
        raise PlanInputError(
            f"--gpus {count} is not possible: a box has 1 to {GPUS_AT_MOST} GPUs.",
            "Leave it out for one card.",
        )
    return count


def cards_of(arguments: Namespace) -> tuple[PlanGpu, ...]:
    """The free cards that the words name. Raises `PlanInputError`."""
    count = gpus_of(arguments, 1)
    mib: int | None = arguments.gpu_memory_mib
    name, near = _named(arguments.gpu, mib)
    if mib is None and len(near) == 1:
        mib = near[0].mib
    if mib is None:
        raise PlanInputError(
            f"The memory of {name} is not known."
            if near
            else f"The card {name!r} is not in the catalogue.",
            f"{_meant(name)}Or give its memory: --gpu-memory-mib MIB, as nvidia-smi prints it.",
        )
    if mib < 1:
        raise PlanInputError(f"A GPU of {mib} MiB makes no sense.")
    capability = _capability(arguments.compute_capability, near)
    return tuple(
        PlanGpu(
            name=name,
            memory_total_bytes=mib * MIB,
            memory_reserved_bytes=reserved_bytes(name, mib * MIB),
            reserved_guessed=is_guessed(name),
            compute_capability=capability,
            index=index,
        )
        for index in range(count)
    )


def _named(wanted: str, mib: int | None) -> tuple[str, tuple[Card, ...]]:
    """The name to go by, and the cards that it may mean: one, or by its memory several.

    A MIG slice has the name of its card in front, which tells what it can. Raises `PlanInputError`.
    """
    whole = whole_card(wanted)
    card = card_named(whole)
    near = (card,) if card is not None else cards_like(whole)
    if whole != wanted:
        if mib is None:
            raise PlanInputError(
                f"The memory of the slice {wanted} is not known.",
                "Give it: --gpu-memory-mib MIB, as nvidia-smi prints it.",
            )
        return wanted, near
    if len(near) == 1:
        return near[0].name, near
    if near and mib is None:
        names = ", ".join(f'"{card.name}"' for card in near)
        raise PlanInputError(f"{wanted!r} fits several cards.", f"Choose one of {names}.")
    return wanted, near


def _meant(name: str) -> str:
    """By the names as people say them, without the maker's."""
    short = {card.name.removeprefix("NVIDIA ").removeprefix("GeForce ") for card in cards()}
    return did_you_mean(name, short)


def _capability(given: str | None, near: tuple[Card, ...]) -> str | None:
    """The user's, else that of the cards where all of them have the same."""
    if given is not None:
        return checked_capability(given)
    found = {card.compute_capability for card in near}
    return found.pop() if len(found) == 1 else None
