"""A plan for people: what the engine will say, how fast, how much, and what else would fit."""

from __future__ import annotations

import shlex
from collections import Counter

from gptoss_tui.cli.output import Output
from gptoss_tui.domain.launch import LaunchSpec
from gptoss_tui.domain.plan.cost import Cost
from gptoss_tui.domain.plan.search import Arrangement
from gptoss_tui.domain.plan.speed import Band, Throughput
from gptoss_tui.domain.plan.types import Plan, PlanRequest
from gptoss_tui.domain.plan.verdict import held
from gptoss_tui.domain.render import command_page, docker_run
from gptoss_tui.domain.words import plural

# What the command of a plan begins with where the engine is installed.
_STARTS = {"vllm": "vllm serve", "sglang": "sglang serve", "ollama": "ollama run"}


def tell(made: Plan, output: Output) -> None:
    """The verdict, the memory of one GPU, the KV cache and the engine's arguments."""
    request = made.request
    output.line(f"{made.verdict.replace('_', ' ')}: {made.reason}")
    kinds = Counter(gpu.name for gpu in request.gpus[: made.gpus_used])
    gpus = " and ".join(f"{count} x {name}" for name, count in kinds.items())
    asked = "" if request.users is None else f", for {plural(request.users, 'user')}"
    output.line(f"  {request.model} on {gpus}, {request.engine} {request.engine_version}{asked}")
    output.line(f"  GiB {_whose(request)}: {_shares(made)}")
    output.line(
        f"  KV cache: {made.kv_cache.tokens:,} tokens, "
        f"{held(_at_once(made))} of {request.max_model_len:,} tokens at once"
    )
    output.line(f"  {_STARTS[request.engine]} {' '.join(made.command)}")
    for warning in made.warnings:
        output.line(f"  note: {warning}")


def _at_once(made: Plan) -> float:
    """Requests: Ollama answers one for each slot that it was started with, however much is free."""
    most = made.kv_cache.max_concurrency
    return min(most, made.request.users or 1) if made.request.engine == "ollama" else most


def _whose(request: PlanRequest) -> str:
    return "of all GPUs" if request.engine == "ollama" else "a GPU"


def _shares(made: Plan) -> str:
    """What the memory goes to, as far as the plan of this engine tells it apart."""
    memory = made.memory_gib
    rest = memory.buffers - (memory.activation or 0.0)
    parts = {
        "weights": memory.weights,
        "activation": memory.activation,
        "graphs and buffers": rest,
    }
    told = [f"{gib:.1f} {what}" for what, gib in parts.items() if gib]
    told.append(f"{max(0.0, memory.kv_cache):.1f} KV cache (+/- {made.band_gib:.1f})")
    if memory.activation is None and memory.outside_budget:
        told.append(f"{memory.outside_budget:.1f} left for activation and graphs")
    return f"{', '.join(told)}, {memory.device_total:.1f} in all"


def tell_command(heading: str, spec: LaunchSpec, output: Output) -> None:
    """What will run, as `docker run` would start it."""
    output.line(f"{heading}:")
    output.line(command_page(docker_run(spec)))
    output.line()


def tell_more(made: Plan, output: Output) -> None:
    """Disk, speed, cost, alternatives."""
    image = made.image_download_bytes
    packed = f" and {image / 1e9:.1f} GB of image" if image else ""
    output.line(
        f"  download {made.download_bytes / 1e9:.1f} GB of weights{packed}, "
        f"disk {made.disk_bytes / 1e9:.0f} GB with the image"
    )
    starts = made.verdict in ("fits", "tight")
    if made.throughput is not None and starts:
        _speed(made.throughput, output)
    if made.cost is not None and starts:
        _cost(made.cost, output)
    for other in made.alternatives:
        output.line(
            f"  instead: {other.change} ({other.verdict}, room for {other.fits_requests})"
            f"  {shlex.join(other.flags)}".rstrip()
        )


def _speed(speed: Throughput, output: Output) -> None:
    output.line(
        f"  speed at {speed.context:,} tokens: {_band(speed.one_user)} tokens/s alone, "
        f"{_band(speed.all_users)} with {plural(speed.users, 'user')} together ({speed.basis})"
    )
    for run in speed.published:
        output.line(
            f"    published: {run.output_tokens_per_s:,.0f} tokens/s, {run.kind}, {run.source}"
        )
    if speed.seen_here is not None:
        seen = speed.seen_here
        output.line(
            f"    this box has done {seen.tokens_per_s:,.0f} tokens/s with "
            f"{plural(round(seen.requests), 'request')} at once"
        )


def _cost(cost: Cost, output: Output) -> None:
    million = cost.usd_per_m_output_tokens
    paid = "" if million is None else f", {million:.2f} per million output tokens"
    output.line(
        f"  cost (US dollars): {cost.usd_per_hour:.2f} an hour, always on "
        f"{cost.always_on_usd_per_month:,.0f} a month{paid} at {cost.utilization:.0%} busy"
    )
    if cost.on_demand_usd_per_m is not None:
        output.line(
            f"    {cost.on_demand_usd_per_m:.2f} per million where only working seconds are paid"
        )
    if cost.spot_usd_per_hour is not None:
        spot = cost.spot_usd_per_m
        paid = "" if spot is None else f", {spot:.2f} per million output tokens"
        output.line(f"    spot {cost.spot_usd_per_hour:.2f} an hour{paid}")
    if cost.always_on_usd_per_m is not None:
        output.line(f"    {cost.always_on_usd_per_m:.2f} per million at your tokens a month")
    for offer in cost.breakeven:
        reach = "" if offer.reachable else ", more than these users read and write"
        output.line(
            f"    cheaper than {offer.provider} ({offer.usd_per_m_tokens:.3f} per million) from "
            f"{offer.tokens_per_month / 1e9:.1f} billion tokens a month{reach}"
        )


def tell_arrangements(
    request: PlanRequest, found: tuple[Arrangement, ...], most: int, output: Output
) -> None:
    """The answer to a search among boxes of up to `most` GPUs, the cheapest first."""
    asked = f"{request.users} users of {request.max_model_len:,} tokens on {request.model}"
    if not found:
        output.line(f"No arrangement of at most {plural(most, 'GPU')} holds {asked}.")
        return
    output.line(
        f"{asked}, the cheapest first, by the lowest known on-demand price (--json has it):"
    )
    for made in found:
        price = "price not known" if made.usd_per_hour is None else f"${made.usd_per_hour:.2f}/h"
        # Ollama spreads its layers by itself: there is no tensor parallelism to name.
        how = [] if request.engine == "ollama" else [f"TP {made.tensor_parallel_size}"]
        how += [f"{made.replicas} servers"] if made.replicas > 1 else []
        spread = f" ({', '.join(how)})" if how else ""
        speed = "" if made.tokens_per_s is None else f", {_band(made.tokens_per_s)} tokens/s"
        output.line(
            f"  {price:>15}  {made.gpus} x {made.gpu}{spread}: "
            f"{made.verdict}, holds {plural(made.holds, 'request')}{speed}"
        )
        if made.loses:
            output.line(f"{'':19}{made.loses}")


def _band(band: Band) -> str:
    return f"{band.low:,.0f}-{band.high:,.0f}"
