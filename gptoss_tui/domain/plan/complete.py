"""A plan with all that belongs beside it: how fast, how much, and what else would fit."""

from __future__ import annotations

import msgspec

from gptoss_tui.domain.plan.advice import alternatives
from gptoss_tui.domain.plan.catalogue import HostedPrice
from gptoss_tui.domain.plan.cost import UTILIZATION, cost
from gptoss_tui.domain.plan.kv import dtype_bytes
from gptoss_tui.domain.plan.models import model_named
from gptoss_tui.domain.plan.predict import seen_speed
from gptoss_tui.domain.plan.speed import throughput
from gptoss_tui.domain.plan.types import Plan, PlanGpu, PlanRequest


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What the user says of costs: US dollars an hour for one GPU, how busy it is (0 to 1), tokens a
    month, and what a hosted model costs instead."""

    usd_per_hour: float | None = None
    utilization: float = UTILIZATION
    tokens_per_month: float | None = None
    hosted: HostedPrice | None = None


def complete(
    asked: PlanRequest,
    made: Plan,
    *,
    spare: tuple[PlanGpu, ...] = (),
    money: Money | None = None,
    box: bool = False,
) -> Plan:
    """`made` (the plan of `asked`) with throughput, cost and alternatives filled in.

    For a `box` no other cards are proposed.
    """
    request, money = made.request, money or Money()
    model, gpus = model_named(request.model), made.gpus_used
    users = min(request.users or made.fits_requests, max(1, made.fits_requests))
    speed = throughput(
        model.key,
        request.gpus[0].name,
        gpus,
        users=max(1, users),
        context=request.max_model_len or model.max_context,
        kv_bytes=dtype_bytes(request.kv_cache_dtype),
        engine=request.engine,
        seen=seen_speed(request),
    )
    expected = speed.all_users.expected if speed else None
    return msgspec.structs.replace(
        made,
        throughput=speed,
        cost=cost(
            model.key,
            request.gpus[0].name,
            gpus,
            output_tokens_per_s=expected,
            usd_per_hour=money.usd_per_hour,
            utilization=money.utilization,
            tokens_per_month=money.tokens_per_month,
            offer=money.hosted,
        ),
        alternatives=alternatives(asked, made, spare, box=box),
    )
