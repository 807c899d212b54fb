"""Figures that a slow link brings late are old when they arrive, and say so."""

from __future__ import annotations

from datetime import timedelta

from gptoss_tui.app.model import BoxModel
from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.gpu import GpuSnapshot
from tests.app.fakes import START, Clock, FakeFleet
from tests.app.make import sample
from tests.app.test_dashboard import alpha, watching


def late(behind_s: float | None, sm_pct: float = 87.0) -> GpuSnapshot:
    return GpuSnapshot(gpus=(sample(sm_pct=sm_pct),), source="dmon", behind_s=behind_s)


def test_a_model_dates_figures_by_when_they_were_measured() -> None:
    clock = Clock()
    hub, model = Hub(clock), BoxModel("alpha")
    hub.tap(model.apply)
    clock.pass_(60)
    for behind_s, seen in ((None, 60), (0.0, 60), (20.0, 40)):
        hub.publish(late(behind_s), box="alpha")
        assert model.gpus is not None
        assert model.gpus.our_time == START + timedelta(seconds=seen)
        assert model.gpu_history[0]["sm"].latest_at == model.gpus.our_time


async def test_late_figures_stand_with_their_age_while_the_link_is_up(
    fleet: FakeFleet, clock: Clock
) -> None:
    alpha(fleet).samples = (sample(),)
    async with watching(fleet) as operator:
        await operator.sees("sm 87 %")
        clock.pass_(30)
        fleet.hub.publish(late(20.4, sm_pct=12.0), box="alpha")
        await operator.sees("sm 12 %", "GPUs · 1 on alpha · 20 s old")
        fleet.hub.publish(late(1.4, sm_pct=13.0), box="alpha")
        await operator.sees("sm 13 %")
        await operator.sees_no(" old")
