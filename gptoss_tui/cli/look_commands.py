"""`check` and `status`: what a box is, and what it does."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections import Counter
from typing import Any

import msgspec

from gptoss_tui.cli.output import Output, figure, gib
from gptoss_tui.cli.session import connected, connected_fleet, not_there, same_way
from gptoss_tui.cli.ssh_text import tell_ssh
from gptoss_tui.domain.engines.registry import ENGINES
from gptoss_tui.domain.engines.release import image_release
from gptoss_tui.domain.facts import Fact
from gptoss_tui.domain.gpu import GpuSnapshot
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.preflight.fetching import to_bring
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.serving import EngineSnapshot
from gptoss_tui.domain.spot.notice import SpotNotice
from gptoss_tui.domain.upgrade import fate
from gptoss_tui.domain.words import plural
from gptoss_tui.errors import BoxError, EngineError, GptossError, NotFoundError, UsageError
from gptoss_tui.remote.box import Box

_SIGNS = {"ok": "ok     ", "warning": "WARNING", "blocker": "BLOCKER"}


async def check(arguments: Namespace, output: Output) -> int:
    """Exit 0 when nothing stands in the way of a launch, 1 when a finding is a blocker."""
    async with connected_fleet(arguments, arguments.box) as (fleet, box):
        fact = await box.look()
        notes = await fleet.ssh_notes(arguments.box)
    output.document(msgspec.to_builtins(fact) | {"ssh": notes})
    _describe(fact.body, arguments, output)
    tell_ssh(notes, fact.body.docker, output)
    return 1 if any(finding.level == "blocker" for finding in fact.body.findings) else 0


def _describe(report: BoxReport, arguments: Namespace, output: Output) -> None:
    output.line(f"{report.hostname}: {report.os or '--'}, kernel {report.kernel or '--'}")
    output.line(
        f"  {figure(report.cpus)} CPUs, {gib(report.memory_total_bytes)} of memory, "
        f"driver {report.driver_version or '--'}, CUDA {report.cuda_version or '--'}"
    )
    for gpu in report.gpus:
        output.line(
            f"  GPU {gpu.index}  {gpu.name}  {gib(gpu.memory_used_bytes)} of "
            f"{gib(gpu.memory_total_bytes)} used"
        )
    for disk in report.disks:
        output.line(f"  disk for {disk.role}: {gib(disk.free_bytes)} free ({disk.path})")
    _findings(report, arguments, output)


def _findings(report: BoxReport, arguments: Namespace, output: Output) -> None:
    """What blocks, what warns, what is fine; and the command that mends what the app can mend."""
    found = report.findings
    for finding in found:
        output.line(f"  {_SIGNS[finding.level]} {finding.what}")
        if finding.do and finding.level != "ok":
            output.advice(f"          {finding.do}")
        if finding.repair:
            line = same_way(arguments, "repair", arguments.box, finding.repair)
            output.line(f"          To repair it: {line}")
    levels = Counter(finding.level for finding in found)
    if levels["blocker"]:
        verdict = f"{plural(levels['blocker'], 'blocker')}: nothing can be launched until then"
    elif lacking := to_bring(report):
        verdict = f"{lacking}, as said above"
    else:
        verdict = "nothing stands in the way of a launch"
    warned = f", {plural(levels['warning'], 'warning')}" if levels["warning"] else ""
    output.line(f"  {verdict}{warned}")


async def status(arguments: Namespace, output: Output) -> int:
    """One document: GPUs, servers with a scrape of each that is ready, launches."""
    async with connected(arguments, arguments.box) as box:
        gpus, instances, launches, (spot, spot_problem) = await asyncio.gather(
            _gpus(box), box.instances(), _launches(box), _spot(box)
        )
        shown = instances.body.instances
        if arguments.name:
            shown = tuple(i for i in shown if i.name == arguments.name)
            if not shown:
                raise not_there(box.name, arguments.name, instances.body.instances)
        engines = await asyncio.gather(*(_scrape(box, instance) for instance in shown))
    scraped = {fact.instance: fact for fact in engines if fact is not None}
    output.document(
        {
            "box": box.name,
            "gpus": gpus,
            "instances": instances,
            "engines": scraped,
            "launches": launches,
            "spot": spot,
            "spot_problem": spot_problem,
        }
    )
    if spot is not None:
        output.line(spot.body.text(spot.body.left_s))
    elif spot_problem is not None:
        output.line(spot_problem)
    _tell_gpus(gpus, output)
    for instance in shown:
        _tell_instance(instance, scraped.get(instance.name), output)
    if not shown:
        output.line("no server runs here")
    serving = {instance.launch_id for instance in instances.body.instances}
    for launch in launches[:3]:
        if launch.body.state != "ready" or launch.body.launch_id in serving:
            _tell_launch(launch.body, output)
    return 0


async def _gpus(box: Box) -> Fact[GpuSnapshot] | None:
    try:
        return await box.gpus()
    except BoxError:
        return None  # `check` says why; the rest of the status is still worth having


async def _launches(box: Box) -> tuple[Fact[LaunchProgress], ...]:
    try:
        return await box.launches()
    except GptossError:
        return ()


async def _spot(box: Box) -> tuple[Fact[SpotNotice] | None, str | None]:
    """What the provider has in mind with the box, or why that cannot be seen."""
    try:
        return await box.spot(), None
    except GptossError as error:
        return None, str(error)


async def _scrape(box: Box, instance: Instance) -> Fact[EngineSnapshot] | None:
    if instance.port is None or instance.state not in ("ready", "unknown", "unhealthy"):
        return None
    try:
        return await box.engine(instance.name)
    except (EngineError, NotFoundError):
        return None


def _tell_gpus(fact: Fact[GpuSnapshot] | None, output: Output) -> None:
    if fact is None:
        output.advice("GPUs: -- (`gptoss-tui check BOX` says why)")
        return
    for gpu in fact.body.gpus:
        output.line(
            f"GPU {gpu.index}  {gpu.name or ''}  {figure(gpu.sm_pct, ' %')} busy, "
            f"{gib(gpu.memory_used_bytes)} of {gib(gpu.memory_total_bytes)}, "
            f"{figure(gpu.power_w, ' W')}, {figure(gpu.gpu_temp_c, ' °C')}"
        )


def _tell_instance(instance: Instance, fact: Fact[EngineSnapshot] | None, output: Output) -> None:
    ours = "" if instance.managed else "  (not ours: watched only)"
    port = f"port {instance.port}" if instance.port else "no port"
    state = "upgrading" if instance.replaced_by else instance.state
    runs = f"{_engine(instance)}  {instance.model or '--'}"
    output.line(f"{instance.name}  {state}  {runs}  {port}{ours}")
    if fact is None:
        return
    body = fact.body
    if not body.metrics:
        output.line("  serves no metrics")
        return
    usage: Any = None if body.kv_cache_usage is None else body.kv_cache_usage * 100
    output.line(
        f"  running {figure(body.running)}, waiting {figure(body.waiting)}, "
        f"KV cache {figure(usage, ' %', 1)} of {figure(body.kv_cache_tokens, ' tokens')}"
    )


def _engine(instance: Instance) -> str:
    """Its engine and version: as it was launched, else as its image tells them."""
    name, spec = instance.engine, instance.spec
    if spec is not None:
        return f"{spec.engine} {spec.engine_version}"
    if name not in ENGINES or instance.image is None:
        return name or "--"
    try:
        told = image_release(ENGINES[name], instance.image)
    except UsageError:  # an image without a name, say
        return name
    return f"{name} {told.version}" if told.told else name


def _tell_launch(progress: LaunchProgress, output: Output) -> None:
    phase = progress.current
    where = f", {phase.name}" if phase and progress.state == "running" else ""
    output.line(f"launch {progress.launch_id} of {progress.name}: {progress.state}{where}")
    if progress.state == "failed" and (old := fate(progress)):
        output.line(f"  {old}")
    if progress.error:
        output.advice(f"  {progress.error} {progress.next_step}".rstrip())
