"""What the place *Boxes* writes: one row a box, and the page about the chosen one. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text
from textual.content import Content

from gptoss_tui.app.cadence import LISTED_S, LOOKED_S
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.preflight_text import finding_lines
from gptoss_tui.app.widgets.figures import UNKNOWN, age, foreign, gib
from gptoss_tui.app.widgets.stale import stale_age, stale_words
from gptoss_tui.domain.host import BoxReport, LinkState
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.spot.notice import drain_time

if TYPE_CHECKING:
    from gptoss_tui.remote.fleet_port import BoxEntry

_STATES = {
    "connecting": "… connecting",
    "needs_you": "? needs you",
    "up": "● connected",
    "degraded": "◐ degraded",
    "lost": "✗ lost",
    "retrying": "↻ retrying",
    "closed": "○ closed",
}
# What a card's name says of its make: it takes a third of a narrow column.
_MAKE = re.compile(r"[ -](?:SXM\d?|PCIe|HBM\w*|Generation)\b")


def row_of(entry: BoxEntry, model: BoxModel | None, now: datetime) -> tuple[Text, ...]:
    """name, state, GPUs, what runs, source."""
    link = model.link if model else None
    state = link_text(link) if link else "○ not contacted"
    if model is not None and link is not None:
        leaves = leaves_at(model)
        if was_taken_back(model, now):
            state = "▼ taken back"
        elif link.open and leaves:
            state = f"▼ leaves {leaves}"
    report = model.report.body if model and model.report else None
    cells = (entry.name, state, gpus_text(report), runs_text(model, now), entry.source)
    return tuple(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells)


def leaves_at(model: BoxModel) -> str:
    """`14:03` of our own time, while the provider takes the box back; else nothing."""
    fact = model.spot
    if fact is None or not fact.body.ends or fact.body.left_s is None:
        return ""
    return f"{(fact.our_time + timedelta(seconds=fact.body.left_s)).astimezone():%H:%M}"


def was_taken_back(model: BoxModel, now: datetime) -> bool:
    """Whether a box is not heard, and the time is over that its provider has left to it."""
    gone = model.link is not None and model.link.phase in ("lost", "retrying", "connecting")
    spot = model.spot
    return gone and spot is not None and spot.body.ends and drain_time(spot, now) <= 0


def link_text(link: LinkState) -> str:
    """`● connected`, `◐ degraded 12 s`."""
    silent = f" {age(link.silent_s)}" if link.open and link.silent_s is not None else ""
    return _STATES[link.phase] + silent


def gpus_text(report: BoxReport | None) -> str:
    """ "8 x H100 80GB", `--` while unknown: the page about the box has the whole names."""
    if report is None:
        return UNKNOWN
    if not report.gpus:
        return "none"
    names = Counter(_MAKE.sub("", short_name(gpu.name)) for gpu in report.gpus)
    return ", ".join(f"{count} x {name}" for name, count in names.items())


def short_name(name: str) -> str:
    """A card's name without what all of them share."""
    return foreign(name).removeprefix("NVIDIA ").removeprefix("GeForce ")


def runs_text(model: BoxModel | None, now: datetime) -> str:
    if model is None or model.instances is None:
        return UNKNOWN
    listed = model.instances.body.instances
    text = ", ".join(f"{foreign(i.name)} {model.state_of(i)}" for i in listed) or "nothing"
    old = is_old(model) or _unlisted_s(model, now) is not None
    return f"was: {text}" if old else text


def _unlisted_s(model: BoxModel, now: datetime) -> float | None:
    """How old the list of servers is, where a newer one should have come."""
    return stale_age(model.instances.our_time if model.instances else None, now, LISTED_S)


def is_old(model: BoxModel) -> bool:
    """Whether what is known of the box may have changed since: it is not heard right now."""
    return model.link is not None and model.link.phase != "up"


def about_lines(
    name: str | None, model: BoxModel | None, now: datetime, *, demo: bool
) -> list[Content]:
    """The page about the chosen box: what it is, what stands in the way, what to press."""
    if name is None:
        return [
            Content("There is no box yet."),
            Content("Press a to paste an ssh line, or start `gptoss-tui demo` to look around."),
        ]
    link = model.link if model else None
    if model is None or link is None:
        more = " This one is simulated, but the way there is real SSH." if demo else ""
        return [
            Content(f"{name} has not been contacted. Press enter to connect.{more}"),
            Content("Nothing on a box changes by looking at it."),
        ]
    lines = _spot_lines(model, link, now)
    if link.phase != "up" and link.reason:
        lines.append(Content.assemble(("▲ ", "$warning"), link.reason))
    if model.report is not None and is_old(model):
        seen = max(fact.our_time for fact in (model.report, model.instances, model.gpus) if fact)
        lines.append(
            Content(f"As last seen, at {seen.astimezone():%H:%M:%S}; it may have changed:")
        )
    if model.report is not None:
        lines += report_lines(model.report.body, _used_now(model), _used_age(model, now))
    elif link.open:
        lines.append(Content("Looking at the box…"))
    if model.instances is not None:
        if (old_s := _unlisted_s(model, now)) is not None and not is_old(model):
            words = f"▲ The list of servers is {stale_words(old_s)}:"
            lines.append(Content.assemble((words, "$warning")))
        lines += [_server_line(model, instance) for instance in model.instances.body.instances]
    if link.open:
        lines.append(Content.assemble(("enter", "$primary bold"), " opens the dashboard, ",
                                      ("w", "$primary bold"), " launches a model"))  # fmt: skip
        looked_s = stale_age(model.report.our_time, now, LOOKED_S) if model.report else None
        if looked_s is not None:
            words = f" looks again: the last look is {stale_words(looked_s)}"
            lines.append(Content.assemble(("r", "$primary bold"), words))
        if model.report and any(finding.repair for finding in model.report.body.findings):
            lines.append(Content.assemble(("m", "$primary bold"), " shows how it can be repaired"))
    return lines


def _spot_lines(model: BoxModel, link: LinkState, now: datetime) -> list[Content]:
    """What the provider has in mind with the box, or has done with it."""
    spot, leaves = model.spot, leaves_at(model)
    if spot is None:
        return []
    if link.open and not spot.body.ends:
        return [Content.assemble(("▼ ", "$warning"), spot.body.text(None))]
    about = spot.body.text(None).removesuffix(".") + (f" at {leaves}" if leaves else "")
    if was_taken_back(model, now):
        about += ": it is gone, it seems"
    elif not leaves or link.phase == "closed":
        return []
    return [Content.assemble(("▼ ", "$error bold"), f"{about}.")]


def _used_now(model: BoxModel) -> dict[int, int]:
    """Bytes in use by GPU, from the stream of figures: the report is older."""
    seen = model.gpus.body.gpus if model.gpus else ()
    return {gpu.index: gpu.memory_used_bytes for gpu in seen if gpu.memory_used_bytes is not None}


def _used_age(model: BoxModel, now: datetime) -> str:
    """How old those are, where none or only late ones come; a silent box is told of as a whole."""
    seen = model.gpus or model.report
    old_s = stale_age(seen.our_time, now) if seen and not is_old(model) else None
    return f" · {stale_words(old_s)}" if old_s is not None else ""


def report_lines(
    report: BoxReport, used_now: Mapping[int, int] | None = None, age: str = ""
) -> list[Content]:
    """The report as a person reads it, with what the GPUs hold now where that is known."""
    now = used_now or {}
    memory = gib(report.memory_total_bytes)
    lines = [
        Content(
            f"{foreign(report.hostname)} · {foreign(report.os)} · {report.cpus or UNKNOWN} CPUs · "
            f"{memory} GiB · driver {foreign(report.driver_version)}"
        )
    ]
    for gpu in report.gpus[:4]:
        used, total = gib(now.get(gpu.index, gpu.memory_used_bytes)), gib(gpu.memory_total_bytes)
        text = f"GPU {gpu.index}  {foreign(gpu.name)}  {used} of {total} GiB used"
        lines.append(Content.assemble(text, (age, "$warning")))
    if len(report.gpus) > 4:
        lines.append(Content(f"… and {len(report.gpus) - 4} more GPUs"))
    return lines + finding_lines(report.findings)


def _server_line(model: BoxModel, instance: Instance) -> Content:
    ours = "" if instance.managed else " · not ours: watched only"
    port = f" · port {instance.port}" if instance.port else ""
    serves = f" · {foreign(instance.model)}" if instance.model else ""
    state = model.state_of(instance)
    return Content.assemble(
        ("▸ ", "$accent"), f"{foreign(instance.name)} {state}{serves}{port}{ours}"
    )
