"""`upgrade`: another version in a server's place, planned anew, taken back where it fails."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from gptoss_tui.cli.launch_command import begin
from gptoss_tui.cli.output import Output
from gptoss_tui.cli.plan_text import tell, tell_command
from gptoss_tui.cli.session import agreed, connected, pick, same_way
from gptoss_tui.domain import blockers
from gptoss_tui.domain.draining import stop_plan
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.render import docker_run
from gptoss_tui.domain.upgrade import ROLL_BACK, Upgrade, moved_on, upgraded
from gptoss_tui.errors import (
    ConflictError,
    DoesNotFitError,
    NotFoundError,
    UsageError,
)
from gptoss_tui.remote.box import Box
from gptoss_tui.state import measurements
from gptoss_tui.state.identity import new_launch_id, who
from gptoss_tui.state.paths import paths


async def upgrade(arguments: Namespace, output: Output) -> int:
    """Show the plan of the new version, ask, and let the helper on the box put it in place."""
    if not (arguments.engine_version or arguments.image):
        raise UsageError("Which version?", "Give --engine-version VERSION, or --image IMAGE.")
    async with connected(arguments, arguments.box) as box:
        instance = await pick(box, arguments.name, managed=True)
        old = _launched(instance)
        made = await _made(arguments, box, old)
        if made.same and not (arguments.force or arguments.dry_run):
            again = same_way(arguments, "restart", box.name, instance.name)
            raise UsageError(made.same, f"To start it anew: {again}. Or --force.")
        _tell(made, instance, output)
        if arguments.dry_run:
            output.document(
                {"spec": made.spec, "command": docker_run(made.spec), "plan": made.plan}
            )
            return 0
        asked = f"Put {made.spec.engine_version} in the place of {instance.name}?"
        if not agreed(arguments, asked, "to upgrade without a question"):
            output.line("Nothing was changed.")
            return 130
        await _still_there(box, instance)
        return await begin(arguments, output, box, made.spec, Secrets(), replaces=instance.name)


def _launched(instance: Instance) -> LaunchSpec:
    """What a server of ours that runs was launched as. Raises `NotFoundError`, `ConflictError`."""
    if instance.managed and instance.state == "launching":
        raise ConflictError(
            f"{instance.name} is still being launched.", "Wait for it, or cancel that launch."
        )
    if not instance.managed or instance.spec is None:
        raise NotFoundError(
            f"{instance.name} was not launched by gptoss-tui, and is never replaced by it.",
            "Update it the way it was started.",
        )
    if instance.has_ended:
        raise ConflictError(
            f"{instance.name} does not run: there is nothing to go back to.",
            "Remove it by `stop`, and launch the new version.",
        )
    return instance.spec


async def _still_there(box: Box, instance: Instance) -> None:
    """Between the plan and the yes somebody else may have been faster. Raises `ConflictError`."""
    listed = (await box.instances()).body.instances
    now = next((one for one in listed if one.name == instance.name), None)
    if moved := moved_on(instance, now):
        raise ConflictError(moved, "See `status`, and say `upgrade` again.")


async def _made(arguments: Namespace, box: Box, old: LaunchSpec) -> Upgrade:
    """The upgrade that was asked for. Raises `DoesNotFitError`, `DockerError`, `UsageError`."""
    report, now = (await box.look()).body, datetime.now(UTC)
    blockers.check(report, old.engine)
    made = upgraded(
        old,
        report,
        version=arguments.engine_version,
        image=arguments.image,
        launch_id=new_launch_id(now),
        created_by=who(),
        created_at=now,
        corrections=measurements.corrections(paths().measurements_file, box.name),
        speeds=measurements.speeds(paths().measurements_file, box.name),
    )
    if not arguments.force:
        blockers.check(report, old.engine, made.spec.image)
    plan = made.plan
    if plan is not None and not plan.serves and not arguments.force:
        raise DoesNotFitError(plan.reason, "Take another version, launch it anew, or --force.")
    return made


def _tell(made: Upgrade, instance: Instance, output: Output) -> None:
    if made.plan is not None:
        tell(made.plan, output)
    for line in made.changes:
        output.line(f"  {line}")
    if made.plan is None and made.warning:  # a plan has told it
        output.line(f"  note: {made.warning}")
    output.line()
    old = made.old
    place = f"in the place of {old.name} ({old.engine} {old.engine_version})"
    tell_command(place, made.spec, output)
    output.line(f"{made.old.name} {ROLL_BACK}")
    output.line(stop_plan(instance).warning)
