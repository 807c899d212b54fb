"""`upgrade`: another version in a server's place, planned anew, taken back where it fails."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime

import msgspec

from gptoss_tui.cli import parser
from gptoss_tui.cli.launch_command import start
from gptoss_tui.cli.output import Output
from gptoss_tui.cli.plan_command import request_of
from gptoss_tui.cli.plan_text import tell
from gptoss_tui.cli.session import connected, pick
from gptoss_tui.domain import choose
from gptoss_tui.domain.draining import stop_plan
from gptoss_tui.domain.drivers import cuda_of
from gptoss_tui.domain.engines import engine_named
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.plan import Plan, prediction
from gptoss_tui.domain.plan.disk import checkpoint_bytes
from gptoss_tui.domain.render import command_page, docker_run
from gptoss_tui.domain.upgrade import without_server
from gptoss_tui.errors import DoesNotFitError, NotFoundError, UsageError
from gptoss_tui.remote.box import Box
from gptoss_tui.state.identity import new_launch_id, who


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
        spec, plan = await _spec(arguments, box, old)
        _tell(arguments, spec, plan, instance, output)
        if arguments.dry_run:
            output.document({"spec": spec, "command": docker_run(spec), "plan": plan})
            return 0
        return await start(arguments, output, box, spec, Secrets(), replaces=instance.name)


async def _spec(arguments: Namespace, box: Box, old: LaunchSpec) -> tuple[LaunchSpec, Plan | None]:
    """The old spec with what the new version changes. Raises `DoesNotFitError`, `UsageError`."""
    report = (await box.look()).body
    version = arguments.engine_version.removeprefix("v")
    engine, now = engine_named(old.engine), datetime.now(UTC)
    spec = msgspec.structs.replace(
        old,
        launch_id=new_launch_id(now),
        engine_version=version,
        image=arguments.image or engine.image(version, cuda_of(report.driver_version)),
        created_by=who(),
        created_at=now.isoformat(timespec="seconds"),
        planned=None,
    )
    if old.engine != "vllm":
        return spec, None  # its flags are its own: they stay as they are
    request = request_of(_words_of(old, version), box.name)
    _, plan = choose.choose(without_server(report, old), request, old.gpu_ids)
    if plan.verdict in ("does_not_fit", "unsupported") and not arguments.force:
        raise DoesNotFitError(plan.reason, "Take another version, launch it anew, or --force.")
    planned = msgspec.structs.replace(
        spec,
        arguments=plan.command[1:],
        environment=engine.settings(plan.request),
        weights_bytes=checkpoint_bytes(plan.request),
        planned=prediction(plan),
    )
    return planned, plan


def _words_of(old: LaunchSpec, version: str) -> Namespace:
    """The flags of the running server, as the words of a plan. Raises `UsageError`."""
    engine = ("--engine", old.engine, "--engine-version", version)
    try:
        return parser.parse(["plan", "--model", old.model, *engine, *old.arguments])
    except parser.WordsError as error:
        raise UsageError(
            f"The flags of {old.name} cannot be planned anew: {error.message}",
            "Stop it and launch the new version.",
        ) from error


def _tell(
    arguments: Namespace, spec: LaunchSpec, plan: Plan | None, instance: Instance, output: Output
) -> None:
    old = instance.spec
    assert old is not None
    if plan is not None:
        tell(plan, output)
    else:
        output.line("Its flags stay as they are; only for vLLM are they planned anew.")
    output.line()
    output.line(f"in the place of {old.name} ({old.engine} {old.engine_version}):")
    output.line(command_page(docker_run(spec)))
    output.line()
    output.line(
        f"{old.name} serves until the image is there. It is removed once the new one has answered, "
        "and started again if that does not come about."
    )
    output.line(stop_plan(instance).warning)
