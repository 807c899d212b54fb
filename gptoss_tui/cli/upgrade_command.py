"""`upgrade`: another version in a server's place, planned anew, taken back where it fails."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

from gptoss_tui.cli.launch_command import start
from gptoss_tui.cli.output import Output
from gptoss_tui.cli.plan_text import tell
from gptoss_tui.cli.session import connected, pick
from gptoss_tui.domain.draining import stop_plan
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.preflight import image_finding
from gptoss_tui.domain.render import command_page, docker_run
from gptoss_tui.domain.upgrade import ROLL_BACK, Upgrade, upgraded
from gptoss_tui.errors import DockerError, DoesNotFitError, NotFoundError
from gptoss_tui.remote.box import Box
from gptoss_tui.state import measurements
from gptoss_tui.state.identity import new_launch_id, who
from gptoss_tui.state.paths import paths


async def upgrade(arguments: Namespace, output: Output) -> int:
    """Show the plan of the new version, ask, and let the helper on the box put it in place."""
    async with connected(arguments, arguments.box) as box:
        instance = await pick(box, arguments.name, managed=True)
        old = instance.spec
        if not instance.managed or old is None:
            raise NotFoundError(
                f"{instance.name} was not launched by gptoss-tui, and is never replaced by it.",
                "Update it the way it was started.",
            )
        made = await _made(arguments, box, old)
        _tell(made, instance, output)
        if arguments.dry_run:
            output.document(
                {"spec": made.spec, "command": docker_run(made.spec), "plan": made.plan}
            )
            return 0
        return await start(arguments, output, box, made.spec, Secrets(), replaces=instance.name)


async def _made(arguments: Namespace, box: Box, old: LaunchSpec) -> Upgrade:
    """The upgrade that was asked for. Raises `DoesNotFitError`, `DockerError`, `UsageError`."""
    report, now = (await box.look()).body, datetime.now(UTC)
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
    plan = made.plan
    if plan is not None and not plan.serves and not arguments.force:
        raise DoesNotFitError(plan.reason, "Take another version, launch it anew, or --force.")
    refused = image_finding(report.driver_version, made.spec.image)
    if refused is not None and not arguments.force:
        raise DockerError(refused.what, refused.do)
    return made


def _tell(made: Upgrade, instance: Instance, output: Output) -> None:
    if made.plan is not None:
        tell(made.plan, output)
    for line in made.changes:
        output.line(f"  {line}")
    output.line()
    output.line(f"in the place of {made.old.name} ({made.old.engine} {made.old.engine_version}):")
    output.line(command_page(docker_run(made.spec)))
    output.line()
    output.line(f"{made.old.name} {ROLL_BACK}")
    output.line(stop_plan(instance).warning)
