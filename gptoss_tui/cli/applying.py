"""`doctor --apply`: a failed launch once more, with the change that the doctor found."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.plan_text import tell_command
from gptoss_tui.cli.session import agreed, same_way
from gptoss_tui.domain import blockers
from gptoss_tui.domain.doctor.diagnosis import Diagnosis
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.domain.relaunch import changed, in_words
from gptoss_tui.errors import GptossError, StateError, UsageError
from gptoss_tui.state.identity import new_launch_id

if TYPE_CHECKING:
    from gptoss_tui.remote.box import Box


async def apply(
    box: Box, arguments: Namespace, found: Diagnosis, spec: LaunchSpec | None, output: Output
) -> int:
    """Show the changed launch, ask, remove what is left of the failed one, and launch.

    Raises `UsageError` where there is nothing to apply, `DockerError` where the box is in the way.
    """
    if found.change is None:
        raise _by_you(found)
    if found.change.kind == "toolkit":
        raise UsageError(
            "The launch needs no change, the box does.",
            same_way(arguments, "repair", box.name, "toolkit"),
        )
    if spec is None:
        raise UsageError(
            "Nothing tells what was launched.", f"Launch it with {in_words(found.change)}."
        )
    if spec.needs_api_key and arguments.api_key is None:
        raise UsageError("The server had an API key.", "Give it again by --api-key-file.")
    listed = (await box.instances()).body.instances
    report, now = (await box.look()).body, datetime.now(UTC)
    again = changed(
        spec,
        found.change,
        launch_id=new_launch_id(now),
        created_at=now,
        servers=listed,
        ports=report.listening_ports,
        driver_version=report.driver_version,
    )
    blockers.check(report, again.engine, again.image)
    output.line()
    tell_command(f"again, {in_words(found.change)}", again, output)
    old = [one for one in listed if one.managed and one.launch_id == spec.launch_id]
    if old:
        output.line(f"The stopped container {old[0].name} is removed.")
    if not agreed(arguments, f"Launch {again.name}?", "to launch without a question"):
        output.line("Nothing was launched.")
        return 130
    for one in old:
        await box.stop(one.name)
    # Loaded here: most of what the doctor is asked launches nothing.
    from gptoss_tui.cli.launch_command import begin

    return await begin(arguments, output, box, again, Secrets(api_key=arguments.api_key))


def _by_you(found: Diagnosis) -> GptossError:
    """What is said where no change was found: the fix itself has been told before."""
    if found.verdict == "nothing_wrong" or not found.fix:
        return UsageError("There is no change that a program can make.", found.fix)
    return StateError(
        "What helps here has to be decided by you: see the fix above.",
        "Then launch again: gptoss-tui launch BOX",
    )
