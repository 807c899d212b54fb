"""`launch` and `cancel`."""

from __future__ import annotations

import shlex
from argparse import Namespace
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from gptoss_tui.cli import export_command
from gptoss_tui.cli.launch_lines import LaunchLines
from gptoss_tui.cli.output import Output, figure
from gptoss_tui.cli.plan_command import chosen, release_in, request_of
from gptoss_tui.cli.plan_text import tell, tell_command
from gptoss_tui.cli.session import agreed, connected, same_way
from gptoss_tui.domain import blockers, choose
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.launch_words import span
from gptoss_tui.domain.plan.advice import alternatives
from gptoss_tui.domain.plan.types import Plan, PlanRequest
from gptoss_tui.domain.progress import LaunchProgress
from gptoss_tui.domain.render import base_url, docker_run, openai_env
from gptoss_tui.domain.spec import build_spec
from gptoss_tui.domain.startup import compare
from gptoss_tui.errors import (
    DoesNotFitError,
    LaunchError,
    NotFoundError,
    StateError,
)
from gptoss_tui.remote.box import Box
from gptoss_tui.state import measurements
from gptoss_tui.state.identity import new_launch_id, who
from gptoss_tui.state.paths import paths


async def launch(arguments: Namespace, output: Output) -> int:
    """Plan, ask, start the helper; with --wait follow it until it is ready or has failed."""
    secrets = Secrets(hf_token=arguments.hf_token, api_key=arguments.api_key)
    exported = None if arguments.from_file is None else export_command.read(arguments)
    async with connected(arguments, arguments.box) as box:
        if exported is not None:
            spec = await export_command.placed(exported, arguments, box, secrets)
            if arguments.export_as is not None:
                return export_command.hand_out(spec, arguments.export_as, arguments, output)
            tell_command(f"on {box.name}, as exported", spec, output)
            return 0 if arguments.dry_run else await start(arguments, output, box, spec, secrets)
        spec, plan = await _spec(arguments, box, secrets)
        if arguments.export_as is not None:
            tell(plan, output.beside())
            return export_command.hand_out(spec, arguments.export_as, arguments, output)
        tell(plan, output)
        output.line()
        tell_command(f"on {box.name}", spec, output)
        if arguments.dry_run:
            output.document({"spec": spec, "command": docker_run(spec), "plan": plan})
            return 0
        return await start(arguments, output, box, spec, secrets)


async def start(
    arguments: Namespace,
    output: Output,
    box: Box,
    spec: LaunchSpec,
    secrets: Secrets,
    *,
    replaces: str | None = None,
) -> int:
    """Ask, start the helper; with --wait follow it until it is ready or has failed."""
    if not agreed(arguments, f"Launch {spec.name}?", "to launch without a question"):
        output.line("Nothing was launched.")
        return 130
    return await begin(arguments, output, box, spec, secrets, replaces=replaces)


async def begin(
    arguments: Namespace,
    output: Output,
    box: Box,
    spec: LaunchSpec,
    secrets: Secrets,
    *,
    replaces: str | None = None,
) -> int:
    """Start the helper unasked; with --wait follow it until it is ready or has failed."""
    arguments.name = spec.name  # what is advised from here on names this server
    launch_id = await box.launch(spec, secrets, replaces=replaces)
    output.document({"launch_id": launch_id, "spec": spec, "command": docker_run(spec)})
    if not arguments.wait:
        see = same_way(arguments, "status", box.name)
        output.line(f"launch {launch_id} goes on on {box.name}; see: {see}")
        return 0
    return await follow(arguments, box, spec, launch_id, output)


async def _spec(arguments: Namespace, box: Box, secrets: Secrets) -> tuple[LaunchSpec, Plan]:
    report = (await box.look()).body
    instances = (await box.instances()).body
    meant = release_in(arguments)
    request = request_of(arguments, meant, box.name)
    blockers.check(report, request.engine)
    taken = choose.taken_gpus(instances.instances)
    gpus, plan = chosen(arguments, meant, request, report, taken)
    if not plan.serves and not arguments.force:
        raise DoesNotFitError(plan.reason, _instead(request, plan, report, gpus, taken))
    now = datetime.now(UTC)
    spec = build_spec(
        plan=plan,
        report=report,
        gpus=gpus,
        launch_id=new_launch_id(now),
        created_by=who(),
        created_at=now,
        name=arguments.name,
        port=arguments.port,
        image=meant.image,
        bind=arguments.bind,
        access=arguments.gpu_access,
        weights_dir=arguments.weights_dir,
        vocab_dir=arguments.vocab_dir,
        has_token=secrets.hf_token is not None,
        needs_api_key=secrets.api_key is not None,
        others=instances.instances,
    )
    if not arguments.force:
        blockers.check(report, request.engine, spec.image)
    with suppress(StateError):  # a launch without them is still a launch
        spec = measurements.recalled(paths().measurements_file, box.name, spec)
    return spec, plan


def _instead(
    request: PlanRequest,
    plan: Plan,
    report: BoxReport,
    gpus: tuple[Gpu, ...],
    taken: frozenset[str],
) -> str:
    """What would fit, in a sentence."""
    asked = msgspec.structs.replace(request, gpus=plan.request.gpus, users=plan.request.users)
    others = alternatives(asked, plan, choose.spare(report, gpus, taken), box=True)
    words = "; ".join(f"{other.change} ({shlex.join(other.flags)})" for other in others[:3])
    return f"These would fit: {words}. Or --force." if words else "Use other GPUs, or --force."


async def follow(
    arguments: Namespace, box: Box, spec: LaunchSpec, launch_id: str, output: Output
) -> int:
    """Tell of a launch until it is ready. Raises `LaunchError` when it is not."""
    last: LaunchProgress | None = None
    lines = LaunchLines(output)
    stream = cast("Any", box.watch_launch(launch_id))
    async with aclosing(stream) as facts:
        async for fact in facts:
            last = fact.body
            output.document(fact)
            lines.show(fact)
    if last is None or last.state != "ready":
        sentence = last.error if last and last.error else "The launch did not become ready."
        left = f" What remains: {'; '.join(last.leftovers)}." if last and last.leftovers else ""
        raise LaunchError(sentence + left, _next_step(last) if last else "")
    _tell_difference(last, output)
    url = base_url(spec)
    output.line(f"ready in {span(last.took_s or 0.0)}: {spec.served_name} at {url} on {box.name}")
    output.line(openai_env(url, spec.served_name, spec.needs_api_key))
    if box.ssh_target is not None:
        here = same_way(arguments, "forward", box.name, spec.name)
        output.line(f"# that is the box's own address; here: {here}")
    return 0


def _next_step(failed: LaunchProgress) -> str:
    """What to do, and the command that does it where there is one."""
    from gptoss_tui.cli.doctor_command import remedy

    change = failed.diagnosis.change if failed.diagnosis else None
    return f"{failed.next_step} {remedy(change)}" if change else failed.next_step


def _tell_difference(progress: LaunchProgress, output: Output) -> None:
    """Planned, measured, difference; the next plan for this box goes by it."""
    rows = compare(progress.planned.figures, progress.measured) if progress.planned else ()
    if not rows:
        return
    output.line("what the plan said of the memory, and what came of it:")
    output.line(f"  {'':18}{'planned':>14}{'measured':>14}{'difference':>14}")
    for row in rows:
        digits = 0 if row.unit == "tokens" else 2
        cells = (row.planned, row.measured, row.difference)
        told = "".join(f"{figure(cell, digits=digits):>14}" for cell in cells)
        output.line(f"  {f'{row.what} {row.unit}':18}{told}")


async def cancel(arguments: Namespace, output: Output) -> int:
    """Cancel the named launch, or the only one in progress."""
    async with connected(arguments, arguments.box) as box:
        launches = [fact.body for fact in await box.launches()]
        fact = await box.cancel(_meant(launches, arguments.launch_id, box.name))
    output.document(fact)
    output.line(fact.body.text)
    return 0


def _meant(launches: list[LaunchProgress], word: str | None, box: str) -> str:
    """The launch of that id, or in progress under that name; without a word the only one.

    An id counts in any state: the box says best why a launch that has ended is not cancelled.
    Raises `NotFoundError`.
    """
    running = [one for one in launches if one.state == "running"]
    found = [one for one in launches if one.launch_id == word] or [
        one for one in running if word in (None, one.name)
    ]
    if len(found) == 1:
        return found[0].launch_id
    of = f" of {word}" if word else ""
    what = f"{len(running)} launches are" if word is None and running else f"No launch{of} is"
    named = ", ".join(f"{one.launch_id} ({one.name})" for one in running)
    step = f"Name one: {named}" if named else "`gptoss-tui status BOX` lists what there was."
    raise NotFoundError(f"{what} in progress on {box}.", step)
