"""`doctor`: what went wrong, from a saved log or from a server on a box."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from gptoss_tui.cli.output import Output
from gptoss_tui.domain.doctor.diagnosis import Change, Diagnosis
from gptoss_tui.domain.doctor.read import Doctor, diagnose
from gptoss_tui.domain.doctor.told import retold
from gptoss_tui.domain.relaunch import in_words
from gptoss_tui.errors import NotFoundError, StateError, UsageError

if TYPE_CHECKING:
    from gptoss_tui.domain.instance import Instance
    from gptoss_tui.domain.launch import LaunchSpec
    from gptoss_tui.remote.box import Box

_LONGEST = 64 * 1024


async def doctor(arguments: Namespace, output: Output) -> int:
    """0 when the cause is known or nothing is wrong, 1 when a failure is not known.

    With --apply the exit code is that of the launch.
    """
    if (arguments.box is None) == (arguments.log is None):
        raise UsageError(
            "The doctor needs a box or a log, and not both.", "Name a BOX, or a log: --log FILE."
        )
    if arguments.log is not None:
        if arguments.apply:
            raise UsageError(
                "A log tells not what was launched.", "Leave --apply out, or name a BOX."
            )
        return _tell(_of_file(arguments.log), output)
    from gptoss_tui.cli.session import connected

    async with connected(arguments, arguments.box) as box:
        found, spec = await _of_box(box, arguments.name)
        told = _tell(found, output)
        if not arguments.apply:
            return told
        from gptoss_tui.cli.applying import apply

        return await apply(box, arguments, found, spec, output)


# --- a saved log --------------------------------------------------------------------------------


def _of_file(name: str) -> Diagnosis:
    if name == "-":
        return diagnose(_lines(sys.stdin.buffer))
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            return diagnose(_lines(file))
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {name}.", "Check the path behind --log.") from None
    except OSError as error:
        raise StateError(f"{name} cannot be read: {error.strerror}.", "Check the path.") from error


def _lines(file: BinaryIO) -> Iterator[str]:
    """Line by line and no longer than needed: a log may be larger than the memory."""
    while data := file.readline(_LONGEST):
        yield data.decode("utf-8", errors="replace")
        while not data.endswith(b"\n") and len(data) == _LONGEST:
            data = file.readline(_LONGEST)


# --- a server on a box --------------------------------------------------------------------------


async def _of_box(box: Box, name: str | None) -> tuple[Diagnosis, LaunchSpec | None]:
    """The diagnosis, and what was launched where something tells of it."""
    listed = (await box.instances()).body.instances
    instance = _patient(listed, name)
    found: Diagnosis | None = None
    if instance is not None and (instance.container_id or instance.launch_id is None):
        found = await _of_log(box, instance)
        if found.verdict != "nothing_wrong":
            return found, instance.spec
    launches = [fact.body for fact in await box.launches()]
    told = [one for one in launches if name is None or one.name == name]
    if found is not None and instance is not None:
        # A server may say nothing of why it was not called ready: its launch does.
        told = [one for one in told if one.launch_id == instance.launch_id]
        if not told or told[0].state != "failed":
            return found, instance.spec
    if told:
        # The newest is the first. One that did not fail has no diagnosis.
        last = told[0]
        engine = last.spec.engine if last.spec else ""
        return last.diagnosis or retold(last.error, last.next_step, engine=engine), last.spec
    if instance is not None:
        return await _of_log(box, instance), instance.spec
    from gptoss_tui.cli.session import not_there

    raise not_there(box.name, name, listed)


def _patient(listed: tuple[Instance, ...], name: str | None) -> Instance | None:
    """The named server, or the only one, or the only one that does not do well."""
    if name is not None:
        return next((one for one in listed if one.name == name), None)
    ill = [one for one in listed if one.has_ended or one.state in ("unhealthy", "loading")]
    for group in (listed, ill):
        if len(group) == 1:
            return group[0]
    return None


async def _of_log(box: Box, instance: Instance) -> Diagnosis:
    reader = Doctor()
    stream = cast("Any", box.logs(instance.name, tail=None, follow=False))
    async with aclosing(stream) as facts:
        async for fact in facts:
            reader.feed(fact.body.text)
    code = instance.exit_code if instance.has_ended else None
    return reader.finish(exit_code=code, oom_killed="OOM" in instance.detail)


# --- in words -----------------------------------------------------------------------------------


def remedy(change: Change) -> str:
    """The line to type that makes the change and launches again."""
    if change.kind == "toolkit":
        return "To install it: gptoss-tui repair BOX toolkit"
    return f"To launch again with {in_words(change)}: gptoss-tui doctor BOX NAME --apply"


def _tell(diagnosis: Diagnosis, output: Output) -> int:
    output.document(diagnosis)
    if diagnosis.cause:
        output.line(f"cause: {diagnosis.cause}")
    output.line(diagnosis.explanation)
    for number, text in zip(diagnosis.lines, diagnosis.evidence, strict=True):
        output.line(f"  {number or '':>6}  {text[:400]}")
    if diagnosis.fix:
        output.advice(f"fix: {diagnosis.fix}")
    if diagnosis.change is not None:
        output.advice(f"  {remedy(diagnosis.change)}")
    return 1 if diagnosis.verdict == "unknown" else 0
