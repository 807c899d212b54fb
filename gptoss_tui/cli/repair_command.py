"""`repair`: says what can be mended on a box, shows each script, asks, runs it, looks again."""

from __future__ import annotations

import time
from argparse import Namespace
from contextlib import aclosing

from gptoss_tui.cli.output import Output
from gptoss_tui.cli.session import agreed, connected_fleet, same_way
from gptoss_tui.domain.host import BoxReport
from gptoss_tui.domain.launch_words import span
from gptoss_tui.domain.near import did_you_mean
from gptoss_tui.domain.prompts import Prompter
from gptoss_tui.domain.repair.build import Offer, make, offers
from gptoss_tui.domain.repair.toolkit import REPOSITORY
from gptoss_tui.domain.repair.types import NAMES, Repair, RepairLine, RepairResult, Survey
from gptoss_tui.errors import NotFoundError, UsageError
from gptoss_tui.remote.answers import Answers
from gptoss_tui.remote.box import Box
from gptoss_tui.remote.carry_out import carry_out
from gptoss_tui.remote.fleet import Fleet


async def repair(arguments: Namespace, output: Output) -> int:
    """Exit 0 when all that was named is mended, 1 when something is not, 130 without a yes."""
    names: list[str] = arguments.names
    _check(arguments)
    password = arguments.sudo_password
    async with connected_fleet(arguments, arguments.box) as (fleet, box):
        report, survey = await _seen(box)
        if not names:
            _list(offers(report, survey), arguments, output)
            return 0
        made = [_made(name, arguments, report, survey) for name in names]
        if arguments.dry_run:
            for one in made:
                output.document(one)
                _show(one, output)
            return 0
        return await _all(fleet, made, arguments, Answers(password, None, fleet.prompter), output)


def _check(arguments: Namespace) -> None:
    """Refuse what can be refused before a box is contacted."""
    for name in arguments.names:
        if name not in NAMES:
            raise NotFoundError(
                f"There is no repair {name!r}.",
                f"{did_you_mean(name, NAMES)}There are: {', '.join(NAMES)}.",
            )
    if arguments.yes and not arguments.names:
        raise UsageError(
            "--yes needs the name of each repair that it is for.",
            "`gptoss-tui repair BOX` lists what can be repaired.",
        )


async def _seen(box: Box) -> tuple[BoxReport, Survey]:
    report = (await box.look()).body
    return report, (await box.survey()).body


def _made(name: str, arguments: Namespace, report: BoxReport, survey: Survey) -> Repair:
    return make(
        name,
        report,
        survey,
        repository=arguments.toolkit_repository or REPOSITORY,
        drop_models=tuple(arguments.drop_models),
    )


def _list(offered: tuple[Offer, ...], arguments: Namespace, output: Output) -> None:
    box: str = arguments.box
    output.document({"box": box, "repairs": [vars(one) for one in offered]})
    for one in offered:
        output.line(f"{one.name:16}  {one.why}")
    if offered:
        output.line(f"Repair with: {same_way(arguments, 'repair', box, offered[0].name)}")
    else:
        output.line(f"There is nothing on {box} that could be repaired from here.")


def _show(one: Repair, output: Output) -> None:
    """All that a person needs for a yes: what it means, whom it hits, the script."""
    output.line(f"=== {one.name}: {one.title}")
    output.line(one.meaning)
    for warning in one.warnings:
        output.line(f"WARNING {warning}")
    for line in one.preview:
        output.line(f"  {line}")
    output.line(f"--- this runs on the box{', as root' if one.root else ''}:")
    output.line(one.script.rstrip())
    output.line("---")


async def _all(
    fleet: Fleet, made: list[Repair], arguments: Namespace, prompter: Prompter, output: Output
) -> int:
    """One after the other; each by a yes of its own, and none after one that failed."""
    for at, first in enumerate(made):
        one = first
        if at:  # what the one before it changed is seen by the next
            report, survey = await _seen(await fleet.connect(arguments.box))
            one = _made(first.name, arguments, report, survey)
        _show(one, output)
        if not agreed(arguments, f"{one.title}?", f"to run {one.name} unasked"):
            output.line("Nothing was changed.")
            return 130
        result = await _run(fleet, arguments.box, one, prompter, output)
        if not result.fixed:
            return 1
    return 0


async def _run(
    fleet: Fleet, box: str, one: Repair, prompter: Prompter, output: Output
) -> RepairResult:
    output.line("It goes on by itself on the box, should the connection be lost.")
    result: RepairResult | None = None
    began = time.monotonic()
    async with aclosing(carry_out(fleet, box, one, prompter)) as facts:
        async for fact in facts:
            output.document(fact)
            if isinstance(fact.body, RepairLine):
                output.line(f"  {fact.body.text}")
            elif isinstance(fact.body, RepairResult):
                result = fact.body
    assert result is not None
    how = "done" if result.fixed else "not mended"
    output.line(f"{how} in {span(time.monotonic() - began)}: {result.text}")
    for finding in result.remaining:
        output.advice(f"  {finding.do or finding.what}")
    return result
