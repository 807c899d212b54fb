"""`plan`: for a box as it is, or for a card by its name."""

from __future__ import annotations

from argparse import Namespace

import msgspec

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.plan_text import tell, tell_arrangements, tell_more
from gptoss_tui.cli.session import connected
from gptoss_tui.domain import choose
from gptoss_tui.domain.plan import (
    DEFAULT_VERSIONS,
    Money,
    Plan,
    PlanGpu,
    PlanInputError,
    PlanRequest,
    complete,
    recommend,
    reserved_bytes,
    search,
)
from gptoss_tui.domain.plan import plan as plan_as_it_stands
from gptoss_tui.domain.plan.catalogue import Card, card_named, cards_like
from gptoss_tui.state.measurements import corrections
from gptoss_tui.state.paths import paths

DEFAULT_CONTEXT = 32_768


def request_of(
    arguments: Namespace, box: str | None = None, context: int | None = DEFAULT_CONTEXT
) -> PlanRequest:
    """The plan's request as the words give it, without GPUs, and what `box` has shown before.

    `context` holds where the words name none; None is the model's own.
    """
    return PlanRequest(
        model=arguments.model,
        gpus=(),
        engine=arguments.engine,
        engine_version=arguments.engine_version or DEFAULT_VERSIONS.get(arguments.engine, ""),
        tensor_parallel_size=arguments.tensor_parallel_size,
        max_model_len=context if arguments.max_model_len is None else arguments.max_model_len,
        users=arguments.users,
        max_num_seqs=arguments.max_num_seqs,
        max_num_batched_tokens=arguments.max_num_batched_tokens,
        gpu_memory_utilization=arguments.gpu_memory_utilization,
        kv_cache_dtype=arguments.kv_cache_dtype,
        kv_cache_memory_bytes=arguments.kv_cache_memory_bytes,
        enforce_eager=arguments.enforce_eager,
        block_size=arguments.block_size,
        async_scheduling=arguments.async_scheduling,
        disable_hybrid_kv_cache_manager=arguments.disable_hybrid_kv_cache_manager,
        checkpoint=arguments.checkpoint,
        quantization=arguments.quantization,
        dtype=arguments.dtype,
        corrections=corrections(paths().measurements_file, box) if box else (),
    )


def gpu_ids_of(arguments: Namespace) -> tuple[str, ...]:
    return tuple(part.strip() for part in (arguments.gpu_ids or "").split(",") if part.strip())


async def plan(arguments: Namespace, output: Output) -> int:
    """Exit 0 when it fits (or is tight), 5 when it does not."""
    if arguments.gpu is None and (arguments.box or arguments.box_option) is None:
        return _search(arguments, output)
    made = await _made(arguments)
    output.document(made)
    tell(made, output)
    tell_more(made, output)
    return 0 if made.verdict in ("fits", "tight") else 5


async def _made(arguments: Namespace) -> Plan:
    name = arguments.box or arguments.box_option
    money = money_of(arguments)
    if name is None:
        return _card_plan(arguments, money)
    request = request_of(arguments, name)
    if arguments.gpu:
        raise PlanInputError("BOX and --gpu exclude each other.", "Give one of them.")
    async with connected(arguments, name) as box:
        report = (await box.look()).body
        instances = (await box.instances()).body
    ids, taken = gpu_ids_of(arguments), choose.taken_gpus(instances.instances)
    gpus, made = choose.choose(report, request, ids, taken)
    asked = msgspec.structs.replace(request, gpus=made.request.gpus)
    return complete(asked, made, spare=choose.spare(report, gpus, taken), money=money)


def _card_plan(arguments: Namespace, money: Money) -> Plan:
    """For cards: what the engine says with these flags and its own defaults for the others.

    With --users the flags that are left open are chosen, as for a box.
    """
    if arguments.users is None:
        asked = msgspec.structs.replace(request_of(arguments, context=None), gpus=_cards(arguments))
        return complete(asked, plan_as_it_stands(asked), money=money)
    asked = msgspec.structs.replace(request_of(arguments), gpus=_cards(arguments))
    return complete(asked, recommend(asked), money=money)


def money_of(arguments: Namespace) -> Money:
    """What the words say of costs. Raises `PlanInputError` for nonsense."""
    busy, price = arguments.busy, arguments.usd_per_hour
    if not 0 < busy <= 1:
        raise PlanInputError(f"--busy {busy:g} makes no sense: it is above 0 and at most 1.")
    if price is not None and price <= 0:
        raise PlanInputError(f"--usd-per-hour {price:g} makes no sense.")
    return Money(usd_per_hour=price, utilization=busy, tokens_per_month=arguments.tokens_per_month)


def _search(arguments: Namespace, output: Output) -> int:
    """Without a box and a card: which cards hold so many users?"""
    if arguments.users is None:
        raise PlanInputError(
            "There is nothing to plan for.",
            "Give a BOX, or --gpu NAME, or --users N (and --context L) to search the catalogue.",
        )
    request = request_of(arguments)
    found = search(request)
    output.document(
        {
            "verdict": "fits" if found else "does_not_fit",
            "model": request.model,
            "users": request.users,
            "context": request.max_model_len,
            "arrangements": found,
        }
    )
    tell_arrangements(request, found, output)
    return 0 if found else 5


def _named_card(wanted: str, mib: int | None) -> tuple[str, Card | None]:
    """The card of that name, or the only one that the words fit. Raises `PlanInputError`."""
    card = card_named(wanted)
    if card is not None:
        return card.name, card
    near = cards_like(wanted)
    if len(near) == 1:
        return near[0].name, near[0]
    if near and mib is None:
        names = ", ".join(f'"{card.name}"' for card in near)
        raise PlanInputError(f"{wanted!r} fits several cards.", f"Choose one of {names}.")
    return wanted, None


def _cards(arguments: Namespace) -> tuple[PlanGpu, ...]:
    if arguments.gpu is None:
        raise PlanInputError("There is nothing to plan for.", "Give a BOX, or --gpu NAME.")
    if arguments.gpus < 1:
        raise PlanInputError(f"{arguments.gpus} GPUs make no sense.")
    name, card = _named_card(arguments.gpu, arguments.gpu_memory_mib)
    mib: int | None = arguments.gpu_memory_mib
    if mib is None and card is not None:
        mib = card.mib
    if mib is None:
        raise PlanInputError(
            f"The card {name!r} is not in the catalogue."
            if card is None
            else f"The memory of {name} is not known.",
            "Give its memory: --gpu-memory-mib MIB, as nvidia-smi prints it.",
        )
    capability = arguments.compute_capability or (card.compute_capability if card else None)
    return tuple(
        PlanGpu(
            name=name,
            memory_total_bytes=mib * 1024**2,
            memory_reserved_bytes=reserved_bytes(name, mib * 1024**2),
            compute_capability=capability,
            index=index,
        )
        for index in range(arguments.gpus)
    )
