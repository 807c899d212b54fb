"""What facts show of a box is kept for its next plans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gptoss_tui.cli.measuring import Measuring
from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.gpu import Gpu
from gptoss_tui.domain.instance import InstanceList
from gptoss_tui.domain.plan.catalogue import card_named
from gptoss_tui.domain.plan.complete import complete
from gptoss_tui.domain.plan.device import gpu_of
from gptoss_tui.domain.plan.predict import prediction
from gptoss_tui.domain.plan.recommend import recommend
from gptoss_tui.domain.plan.types import PlanRequest
from gptoss_tui.domain.progress import LaunchProgress, Phase
from gptoss_tui.domain.serving import EngineRates, EngineSnapshot
from gptoss_tui.domain.startup import Prediction, StartupFigures
from gptoss_tui.domain.timeline import LaunchLog
from gptoss_tui.state import measurements
from gptoss_tui.state.paths import paths
from tests.app.make import report, server
from tests.unit.make import spec


def request(**changes: object) -> PlanRequest:
    card = card_named("NVIDIA L40S")
    assert card is not None
    wanted = PlanRequest(model="20b", gpus=(gpu_of(card, 0),), max_model_len=32_768, users=8)
    return msgspec.structs.replace(wanted, **changes)


def scrape(rate: float | None, running: float | None) -> EngineSnapshot:
    rates = EngineRates(interval_s=1.0, generation_tokens_per_s=rate)
    return EngineSnapshot(healthy=True, running=running, rates=rates)


def test_the_fastest_scrape_of_a_box_stands_beside_its_next_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path))
    hub = Hub(lambda: datetime.now(UTC))
    hub.tap(Measuring())
    planned: Prediction = prediction(recommend(request()))
    launched = msgspec.structs.replace(spec(), planned=planned)
    hub.publish(scrape(900.0, 9), box="box", instance="ours")  # of nobody knows what
    hub.publish(InstanceList(instances=(server("ours", spec=launched),)), box="box")
    for rate, running in ((300.0, 3), (None, 3), (620.0, 6), (640.0, 8), (500.0, 0)):
        hub.publish(scrape(rate, running), box="box", instance="ours")
    kept = measurements.speeds(paths().measurements_file, "box")
    assert kept == ((planned.key, 620.0, 6.0),)  # 640 is no tenth more: not written for that
    again = request(speeds=kept)
    made = complete(again, recommend(again), box=True)
    assert made.throughput is not None
    assert made.throughput.seen_here is not None
    assert made.throughput.seen_here.tokens_per_s == 620.0
    other = request(speeds=kept, max_num_seqs=4)
    elsewhere = complete(other, recommend(other), box=True)
    assert elsewhere.throughput is not None
    assert elsewhere.throughput.seen_here is None  # with other flags it says nothing


def test_what_a_start_and_an_image_needed_is_told_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path))
    hub = Hub(lambda: datetime.now(UTC))
    hub.tap(Measuring())
    launched = msgspec.structs.replace(spec(), planned=prediction(recommend(request())))
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    load = Phase(
        name="load", state="done", started_at=begun, ended_at=begun + timedelta(seconds=41)
    )
    pull = Phase(name="pull", state="done", unpack_bytes_per_s=5e7)
    done = LaunchProgress(
        launch_id="1", name="x", state="ready", phases=(pull, load), planned=launched.planned
    )
    hub.publish(done, box="box")
    file = paths().measurements_file
    again = measurements.recalled(file, "box", launched).planned
    assert again is not None
    assert (again.phases_s, again.unpack_bytes_per_s) == ((("load", 41.0),), 5e7)
    elsewhere = measurements.recalled(file, "another", launched).planned
    assert elsewhere is not None
    assert (elsewhere.phases_s, elsewhere.unpack_bytes_per_s) == ((), None)
    log = LaunchLog("2")
    log.feed("@1767225600 begin " + msgspec.json.encode({"planned": again}).decode())
    assert {p.name: p.last_s for p in log.progress.phases if p.last_s} == {"load": 41.0}


def test_another_machine_under_the_name_of_a_box_inherits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_TUI_HOME", str(tmp_path))
    file = paths().measurements_file

    def session(*gpus: str, tells: LaunchProgress | None = None) -> None:
        hub = Hub(lambda: datetime.now(UTC))
        hub.tap(Measuring())
        cards = tuple(Gpu(index=at, name="L40S", uuid=uuid) for at, uuid in enumerate(gpus))
        hub.publish(report(gpus=cards), box="box")
        if tells is not None:
            hub.publish(tells, box="box")

    asked = msgspec.structs.replace(
        spec(gpu_ids=("GPU-a",)), planned=prediction(recommend(request()))
    )
    assert asked.planned is not None
    planned_gib = asked.planned.figures.kv_cache_gib
    assert planned_gib is not None
    done = LaunchProgress(
        launch_id="1", name="x", state="ready", phases=(), planned=asked.planned, spec=asked,
        measured=StartupFigures(kv_cache_gib=planned_gib - 1),
    )  # fmt: skip
    session("GPU-a", "GPU-b", tells=done)
    kept = ((asked.planned.key, -1.0),)
    assert measurements.corrections(file, "box") == kept
    session("GPU-b")  # a card was taken out
    session()  # its driver does not answer
    assert measurements.corrections(file, "box") == kept
    session("GPU-c", tells=done)  # its disk, with the old launches, on another machine
    assert measurements.corrections(file, "box") == ()
