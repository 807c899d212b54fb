"""What the dashboard writes, from the model of its box. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from textual.content import Content

from gptoss_tui.app.cadence import LISTED_S
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.widgets.figures import UNKNOWN, foreign
from gptoss_tui.app.widgets.gpu_card import GpuCard, GpuHistory
from gptoss_tui.app.widgets.gpu_pane import GpuView
from gptoss_tui.app.widgets.stale import AFTER_S, stale_age
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.facts import AnyFact
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.spot.notice import seconds_left
from gptoss_tui.domain.words import plural

_STATES = {
    "launching": "▶ launching",
    "loading": "… loading",
    "ready": "● ready",
    "unhealthy": "▲ unhealthy",
    "exited": "○ exited",
    "failed": "✗ failed",
    "unknown": "? unknown",
    "draining": "◌ draining",
    "upgrading": "↻ upgrading",
    "set aside": "○ set aside",
}
_TABS = ("GPUs", "Engine", "Servers", "Chat")
PAST = 240


def gpu_view(model: BoxModel) -> GpuView:
    """The cards of the box, with their history, or why there are none."""
    if model.gpus is None:
        report = model.report.body if model.report else None
        if report is not None and not report.gpus:
            return GpuView(note="This box has no GPU that a driver tells of.")
        return GpuView()
    limits = {}
    if model.report is not None:
        limits = {gpu.index: gpu.power_limit_w for gpu in model.report.body.gpus}
    names = {sample.name for sample in model.gpus.body.gpus}
    cards = tuple(
        GpuCard(
            sample=sample,
            history=GpuHistory(
                sm=tuple(model.gpu_history[sample.index]["sm"].values(PAST)),
                power=tuple(model.gpu_history[sample.index]["power"].values(PAST)),
            ),
            power_limit_w=limits.get(sample.index),
            name=sample.name,
            names_differ=len(names) > 1,
        )
        for sample in model.gpus.body.gpus
    )
    return GpuView(cards=cards)


def server_row(model: BoxModel, instance: Instance) -> tuple[str, ...]:
    """state, name, where, model: what a narrow pane cuts comes last."""
    drain = model.drain(instance.name)
    where = _drain_words(drain) if drain else _where(instance)
    state = _STATES[model.state_of(instance)]
    return (state, foreign(instance.name), where, foreign(instance.model))


def _where(instance: Instance) -> str:
    where = f":{instance.port}" if instance.port else UNKNOWN
    if instance.gpu_ids:
        where += f"  {plural(len(instance.gpu_ids), 'GPU')}"
    return where if instance.managed else f"not ours  {where}"


def _drain_words(drain: Draining) -> str:
    left = _requests(drain)
    return f"{UNKNOWN if left is None else left} left, {drain.left_s:.0f} s"


def _requests(drain: Draining) -> int | None:
    """How many requests are still to end; None where the engine does not tell."""
    return None if drain.running is None else round(drain.running + (drain.waiting or 0))


def stop_line(model: BoxModel, asked: Mapping[str, bool]) -> str:
    """Which servers are being stopped, and how far that is; nothing where none is.

    `asked` are those that were said yes to here, and whether they are started again: their figures
    come a little later.
    """
    names = sorted({*asked, *model.drains})
    told = (
        f" ◌ {'restarting' if asked.get(name) else 'stopping'} {foreign(name)}"
        f"{_how_far(model, name)}"
        for name in names
    )
    return "  ".join(told)


def _how_far(model: BoxModel, name: str) -> str:
    drain = model.drain(name)
    if drain is None:
        return "…"
    left = _requests(drain)
    requests = "requests not known" if left is None else f"{plural(left, 'request')} left"
    return f": {requests}, {drain.left_s:.0f} s"


class Ages(NamedTuple):
    """How old the data of each pane is, in seconds; None while it is as fresh as it should be."""

    gpus: float | None
    engine: float | None
    servers: float | None


def ages(model: BoxModel, watched: str | None, now: datetime) -> Ages:
    """At once while the box is not heard, else after what should have come did not."""
    away = model.link is not None and model.link.phase != "up"

    def old(fact: AnyFact | None, after_s: float) -> float | None:
        return stale_age(fact.our_time if fact else None, now, 0.0 if away else after_s)

    return Ages(
        gpus=old(model.gpus, AFTER_S),
        engine=old(model.engines.get(watched or ""), AFTER_S),
        servers=old(model.instances, LISTED_S),
    )


def spot_line(model: BoxModel, now: datetime) -> str:
    """What the provider has in mind with the box, with the seconds that are left; else nothing."""
    fact = model.notice(now)
    return f" ▼ {fact.body.text(seconds_left(fact, now))}" if fact else ""


def tabs_line(shown: int) -> Content:
    """The panes by their digit, the shown one marked."""
    parts: list[tuple[str, str]] = []
    for number, name in enumerate(_TABS, 1):
        style = "$primary bold reverse" if number == shown else "$foreground 70%"
        parts.append((f" {number} {name} ", style))
    return Content.assemble(*parts)
