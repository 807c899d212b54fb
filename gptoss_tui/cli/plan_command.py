"""`plan`: for a box as it is, or for a card by its name."""

from __future__ import annotations

from argparse import Namespace

import msgspec

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.session import connected
from gptoss_tui.domain import choose
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.plan import (
    DEFAULT_VLLM_VERSION,
    Plan,
    PlanGpu,
    PlanInputError,
    PlanRequest,
    recommend,
)
from gptoss_tui.domain.plan.catalogue import card_named

DEFAULT_CONTEXT = 32_768


def request_of(arguments: Namespace) -> PlanRequest:
    """The plan's request as the words give it, without GPUs."""
    return PlanRequest(
        model=arguments.model,
        gpus=(),
        engine=arguments.engine,
        engine_version=arguments.engine_version or DEFAULT_VLLM_VERSION,
        tensor_parallel_size=arguments.tensor_parallel_size,
        max_model_len=DEFAULT_CONTEXT
        if arguments.max_model_len is None
        else arguments.max_model_len,
        users=arguments.users,
        max_num_seqs=arguments.max_num_seqs,
        max_num_batched_tokens=arguments.max_num_batched_tokens,
        gpu_memory_utilization=arguments.gpu_memory_utilization,
        kv_cache_dtype=arguments.kv_cache_dtype,
        kv_cache_memory_bytes=arguments.kv_cache_memory_bytes,
        enforce_eager=arguments.enforce_eager,
    )


def gpu_ids_of(arguments: Namespace) -> tuple[str, ...]:
    return tuple(part.strip() for part in (arguments.gpu_ids or "").split(",") if part.strip())


def taken_gpus(instances: InstanceList) -> frozenset[str]:
    """The GPUs that running servers of ours have."""
    return frozenset(
        gpu
        for instance in instances.instances
        if instance.state not in ("exited", "failed")
        for gpu in instance.gpu_ids
    )


async def plan(arguments: Namespace, output: Output) -> int:
    """Exit 0 when it fits (or is tight), 5 when it does not."""
    made = await _made(arguments)
    output.document(made)
    tell(made, output)
    return 0 if made.verdict in ("fits", "tight") else 5


async def _made(arguments: Namespace) -> Plan:
    request = request_of(arguments)
    name = arguments.box or arguments.box_option
    if name is None:
        return recommend(msgspec.structs.replace(request, gpus=_cards(arguments)))
    if arguments.gpu:
        raise PlanInputError("BOX and --gpu exclude each other.", "Give one of them.")
    async with connected(arguments, name) as box:
        report = (await box.look()).body
        instances = (await box.instances()).body
    _, made = choose.choose(report, request, gpu_ids_of(arguments), taken_gpus(instances))
    return made


def _cards(arguments: Namespace) -> tuple[PlanGpu, ...]:
    if arguments.gpu is None:
        raise PlanInputError("There is nothing to plan for.", "Give a BOX, or --gpu NAME.")
    if arguments.gpus < 1:
        raise PlanInputError(f"{arguments.gpus} GPUs make no sense.")
    card = card_named(arguments.gpu)
    mib: int | None = arguments.gpu_memory_mib
    if mib is None and card is not None:
        mib = card.mib
    if mib is None:
        raise PlanInputError(
            f"The card {arguments.gpu!r} is not in the catalogue.",
            "Give its memory: --gpu-memory-mib MIB, as nvidia-smi prints it.",
        )
    capability = arguments.compute_capability or (card.compute_capability if card else None)
    return tuple(
        PlanGpu(
            name=arguments.gpu,
            memory_total_bytes=mib * 1024**2,
            compute_capability=capability,
            index=index,
        )
        for index in range(arguments.gpus)
    )


def tell(made: Plan, output: Output) -> None:
    """A plan for people."""
    request, memory = made.request, made.memory_gib
    output.line(f"{made.verdict.replace('_', ' ')}: {made.reason}")
    gpus = f"{len(request.gpus)} x {request.gpus[0].name}"
    output.line(f"  {request.model} on {gpus}, vLLM {request.engine_version}")
    output.line(
        f"  GiB a GPU: {memory.weights:.1f} weights, {memory.activation:.1f} activation, "
        f"{memory.non_torch + memory.cuda_graphs:.1f} graphs and buffers, "
        f"{max(0.0, memory.kv_cache):.1f} KV cache (+/- {made.band_gib:.1f}), "
        f"{memory.device_total:.1f} in all"
    )
    output.line(
        f"  KV cache: {made.kv_cache.tokens:,} tokens, "
        f"{made.kv_cache.max_concurrency:.1f} requests of {request.max_model_len:,} tokens"
    )
    output.line(f"  vllm serve {' '.join(made.command)}")
    for warning in made.warnings:
        output.line(f"  note: {warning}")
