"""`export`, and what `launch --from` and `launch --export-as` do with such a file."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.plan_command import gpu_ids_of
from gptoss_tui.cli.session import connected, pick
from gptoss_tui.domain import export as exports
from gptoss_tui.domain.export import again
from gptoss_tui.domain.launch import LaunchSpec, Secrets
from gptoss_tui.errors import NotFoundError, StateError, UsageError
from gptoss_tui.remote.box import Box
from gptoss_tui.state.identity import new_launch_id, who


async def export(arguments: Namespace, output: Output) -> int:
    """The spec that a server of ours carries, in one of three forms."""
    async with connected(arguments, arguments.box) as box:
        instance = await pick(box, arguments.name, managed=True)
    if instance.spec is None:
        raise NotFoundError(
            f"How {instance.name} was launched is not known: gptoss-tui did not launch it.",
            "`docker inspect` on the box tells what it was started with.",
        )
    return hand_out(instance.spec, arguments.format, arguments, output)


def hand_out(spec: LaunchSpec, form: exports.Format, arguments: Namespace, output: Output) -> int:
    """Print the export, or write it to the file of --output. Raises as `_write` does."""
    text, file = exports.export(spec, form), arguments.output
    if file is not None:
        _write(text, file, over=arguments.force)
    output.document({"format": form, "file": file, "spec": spec, "text": text})
    told = text.rstrip("\n") if file is None else f"{spec.name} is in {file}, as {form}."
    output.line(told)
    return 0


def _write(text: str, file: str, *, over: bool) -> None:
    """Raises `UsageError` for a file that is there, unless `over`, and `StateError`."""
    path = Path(file).expanduser()
    odd = path.exists() and not path.is_file()  # a pipe or /dev/stdout: nothing in it is lost
    try:
        with path.open("w" if over or odd else "x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{file} is there already.", "Name another file, or say --force to write over it."
        ) from error
    except OSError as error:
        raise StateError(
            f"{file} cannot be written: {error.strerror}.", "Check the path."
        ) from error


def read(arguments: Namespace) -> LaunchSpec:
    """The spec of the exported file. Raises `UsageError` for an edited one."""
    text = _text(arguments.from_file)
    changed = exports.changed_lines(text)
    if changed and not arguments.force:
        raise UsageError(
            f"The file was changed after the export, which a launch would not follow: {changed[0]}.",
            "Change it by flags (--port, --name, --gpu-ids), or --force to launch as exported.",
        )
    return exports.read_back(text)


async def placed(
    exported: LaunchSpec, arguments: Namespace, box: Box, secrets: Secrets
) -> LaunchSpec:
    """An exported spec as a launch of its own on `box`."""
    report = (await box.look()).body
    others = (await box.instances()).body.instances
    now = datetime.now(UTC)
    spec = again.placed(
        exported,
        report=report,
        others=others,
        gpu_ids=gpu_ids_of(arguments),
        name=arguments.name,
        port=arguments.port,
    )
    return again.stamped(
        spec, secrets, launch_id=new_launch_id(now), created_by=who(), created_at=now
    )


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"The file {file} cannot be read.", "Check the path.") from error
