"""`plan`: for a box as it is, or for a card by its name."""

from __future__ import annotations

from argparse import Namespace

import msgspec

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.plan_cards import cards_of, gpus_of
from gptoss_tui.cli.plan_text import tell, tell_arrangements, tell_more
from gptoss_tui.cli.session import connected
from gptoss_tui.domain import choose
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.engines.release import Release, release_of
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.plan.catalogue import HostedPrice
from gptoss_tui.domain.plan.checks import checked_amount
from gptoss_tui.domain.plan.complete import Money, complete
from gptoss_tui.domain.plan.planner import check_engine
from gptoss_tui.domain.plan.planner import plan as plan_as_it_stands
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.search import GPUS_A_BOX, search
from gptoss_tui.domain.plan.settle import DEFAULT_CONTEXT
from gptoss_tui.domain.plan.types import AUTO_CONTEXT, Plan, PlanRequest
from gptoss_tui.domain.plan.wrong import PlanInputError
from gptoss_tui.domain.words import plural
from gptoss_tui.state import measurements
from gptoss_tui.state.paths import paths

# What a plan for a card goes by where nobody says how many users there are.
_OWN_DEFAULTS = (
    "What was left out has the engine's own defaults; with --users N it is chosen, as for a launch."
)


def release_in(arguments: Namespace) -> Release:
    """The version to plan by, and the image where it is not the engine's own. Raises `UsageError`."""
    check_engine(arguments.engine)
    engine = engine_named(arguments.engine)
    return release_of(engine, arguments.engine_version, arguments.image)


def request_of(
    arguments: Namespace,
    meant: Release,
    box: str | None = None,
    context: int | None = DEFAULT_CONTEXT,
) -> PlanRequest:
    """The plan's request as the words give it, without GPUs, and what `box` has shown before.

    `context` holds where the words name none; None is the model's own.
    """
    return PlanRequest(
        model=arguments.model,
        gpus=(),
        engine=arguments.engine,
        engine_version=meant.version,
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
        installed_by=getattr(arguments, "installed_by", "image"),  # a launch is of the image
        checkpoint=arguments.checkpoint,
        quantization=arguments.quantization,
        dtype=arguments.dtype,
        corrections=measurements.corrections(paths().measurements_file, box) if box else (),
        speeds=measurements.speeds(paths().measurements_file, box) if box else (),
    )


def gpu_ids_of(arguments: Namespace) -> tuple[str, ...]:
    return tuple(part.strip() for part in (arguments.gpu_ids or "").split(",") if part.strip())


def chosen(
    arguments: Namespace,
    meant: Release,
    request: PlanRequest,
    report: BoxReport,
    taken: frozenset[str],
) -> tuple[tuple[Gpu, ...], Plan]:
    """The GPUs of a box and the plan for them, as `plan BOX` and `launch` take both by their words."""
    ids = gpu_ids_of(arguments)
    gpus, made = choose.choose_for_users(report, request, ids, taken, meant.image)
    return gpus, choose.noted(made, meant, report, getattr(arguments, "weights_dir", None))


async def plan(arguments: Namespace, output: Output) -> int:
    """Exit 0 when it fits (or is tight), 5 when it does not."""
    if arguments.gpu is None and (arguments.box or arguments.box_option) is None:
        return _search(arguments, output)
    made = await _made(arguments)
    output.document(made)
    tell(made, output)
    if arguments.gpu and arguments.users is None:
        output.line(f"  note: {_OWN_DEFAULTS}")
    tell_more(made, output)
    return 0 if made.serves else 5


async def _made(arguments: Namespace) -> Plan:
    name = arguments.box or arguments.box_option
    money = money_of(arguments)
    if name is None:
        return _card_plan(arguments, money)
    if arguments.gpu:
        raise PlanInputError("BOX and --gpu exclude each other.", "Give one of them.")
    of_a_card = ("gpus", "gpu_memory_mib", "compute_capability")
    _refuse(arguments, of_a_card, "cannot be used with a BOX, only with --gpu NAME")
    meant = release_in(arguments)
    request = request_of(arguments, meant, name)
    async with connected(arguments, name) as box:
        report = (await box.look()).body
        instances = (await box.instances()).body
    taken = choose.taken_gpus(instances.instances)
    gpus, made = chosen(arguments, meant, request, report, taken)
    asked = msgspec.structs.replace(request, gpus=made.request.gpus, users=made.request.users)
    spare = choose.spare(report, gpus, taken)
    return complete(_with_context(asked, made), made, spare=spare, money=money)


def _card_plan(arguments: Namespace, money: Money) -> Plan:
    """For cards: what the engine says with these flags and its own defaults for the others.

    With --users the flags that are left open are chosen, as for a box.
    """
    _refuse(arguments, ("gpu_ids",), "is for a BOX: --gpu and --gpus say which cards")
    cards, meant = cards_of(arguments), release_in(arguments)
    if arguments.users is None:
        asked = msgspec.structs.replace(request_of(arguments, meant, context=None), gpus=cards)
        made = plan_as_it_stands(asked)
    else:
        asked = msgspec.structs.replace(request_of(arguments, meant), gpus=cards)
        made = recommend(asked)
    return complete(_with_context(asked, made), choose.noted(made, meant), money=money)


def _with_context(asked: PlanRequest, made: Plan) -> PlanRequest:
    """What was asked for, with the context that "auto" came to."""
    if asked.max_model_len != AUTO_CONTEXT:
        return asked
    return msgspec.structs.replace(asked, max_model_len=made.request.max_model_len)


def money_of(arguments: Namespace) -> Money:
    """What the words say of costs. Raises `PlanInputError` for nonsense."""
    busy = arguments.busy
    if not 0 < busy <= 1:
        raise PlanInputError(f"--busy {busy:g} makes no sense: it is above 0 and at most 1.")
    return Money(
        usd_per_hour=checked_amount("--usd-per-hour", arguments.usd_per_hour),
        utilization=busy,
        tokens_per_month=checked_amount("--tokens-per-month", arguments.tokens_per_month),
        hosted=_hosted_of(arguments.hosted_usd_per_m, arguments.model),
    )


def _hosted_of(text: str | None, model: str) -> HostedPrice | None:
    """The user's own "INPUT,OUTPUT" in US dollars per million tokens. Raises `PlanInputError`."""
    if text is None:
        return None
    try:
        read, written = (float(part) for part in text.split(","))
    except ValueError:
        raise PlanInputError(f"{text!r} are no two prices.", "Write them as 0.15,0.60.") from None
    for price in (read, written):
        checked_amount("--hosted-usd-per-m", price)
    return HostedPrice(
        model=model, provider="your offer", usd_per_m_input=read, usd_per_m_output=written
    )


def _search(arguments: Namespace, output: Output) -> int:
    """Without a box and a card: which cards hold so many users?"""
    if arguments.users is None:
        raise PlanInputError(
            "There is nothing to plan for.",
            "Give a BOX, or --gpu NAME, or --users N (and --context L) to search the catalogue.",
        )
    one_card = (
        "gpu_ids", "gpu_memory_mib", "compute_capability", "usd_per_hour", "tokens_per_month",
        "hosted_usd_per_m",
    )  # fmt: skip
    _refuse(arguments, one_card, "cannot be used in a search: name a card by --gpu, or a BOX")
    money = money_of(arguments)
    most = gpus_of(arguments, GPUS_A_BOX)
    request = request_of(arguments, release_in(arguments))
    found = search(request, gpus_at_most=most, busy=money.utilization)
    reason = (
        f"{len(found)} arrangements hold it, the cheapest first."
        if found
        else f"No arrangement of at most {plural(most, 'GPU')} holds it."
    )
    output.document(
        {
            "verdict": "fits" if found else "does_not_fit",
            "reason": reason,
            "model": request.model,
            "users": request.users,
            "context": request.max_model_len,
            "arrangements": found,
            "warnings": (),
            "alternatives": (),
        }
    )
    tell_arrangements(request, found, most, output)
    return 0 if found else 5


def _refuse(arguments: Namespace, names: tuple[str, ...], why: str) -> None:
    """Flags that would be left aside silently. Raises `PlanInputError`."""
    given = [
        f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name) is not None
    ]
    if given:
        words = " and ".join(given)
        raise PlanInputError(f"{words} {why}.", "Leave the flag out.")
