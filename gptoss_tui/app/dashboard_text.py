"""What the dashboard writes, from the model of its box. Pure."""

from __future__ import annotations

from datetime import datetime

from textual.content import Content

from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.widgets.figures import UNKNOWN, foreign, plural
from gptoss_tui.app.widgets.gpu_card import GpuCard, GpuHistory
from gptoss_tui.app.widgets.gpu_pane import GpuView
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.instance import Instance
from gptoss_tui.domain.spot.notice import seconds_left

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
    left = UNKNOWN if drain.running is None else f"{drain.running + (drain.waiting or 0):.0f}"
    return f"{left} left, {drain.left_s:.0f} s"


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
