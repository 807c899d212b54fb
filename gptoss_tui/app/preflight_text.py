"""Findings as a person reads them: what blocks and what warns in full, what is fine in one line."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from gptoss_tui.app.in_app import in_app
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.words import plural

_LEVELS = {"ok": ("✓ ", "$success"), "warning": ("▲ ", "$warning"), "blocker": ("✗ ", "$error")}


def finding_lines(findings: Iterable[Finding]) -> list[Content]:
    """All of them, for the page about a box."""
    found = tuple(findings)
    lines: list[Content] = []
    for finding in found:
        if finding.level != "ok":
            do = f" {in_app(finding.do)}" if finding.do else ""
            sign = _LEVELS[finding.level]
            lines.append(Content.assemble(sign, finding.what, (do, "$foreground 70%")))
    if fine := fine_topics(found):
        lines.append(Content.assemble(_LEVELS["ok"], f"fine: {', '.join(fine)}"))
    return lines


def fine_topics(found: tuple[Finding, ...]) -> list[str]:
    """What was looked at and gives no cause for worry, in the order of the checks."""
    troubled = {finding.topic for finding in found if finding.level != "ok"}
    topics = dict.fromkeys(finding.topic for finding in found if finding.level == "ok")
    return [topic for topic in topics if topic and topic not in troubled]


def step_one(findings: Iterable[Finding]) -> list[Content]:
    """For the wizard: each blocker with what to do, or that nothing blocks; warnings by their topic."""
    found = tuple(findings)
    blockers = [finding for finding in found if finding.level == "blocker"]
    lines = [
        Content.assemble(
            ("✗ ", "$error bold"),
            f"{finding.what} {in_app(finding.do)}",
            " ctrl+r shows the repair." if finding.repair else "",
        )
        for finding in blockers
    ]
    warnings = [finding for finding in found if finding.level == "warning"]
    if warnings:
        topics = ", ".join(dict.fromkeys(finding.topic for finding in warnings if finding.topic))
        about = f" ({topics})" if topics else ""
        text = f"{plural(len(warnings), 'warning')} about the box{about}: its page says more"
        lines.append(Content.assemble(_LEVELS["warning"], text))
    elif found and not blockers:
        lines.append(
            Content.assemble(_LEVELS["ok"], "the box was checked: nothing stands in the way")
        )
    return lines
