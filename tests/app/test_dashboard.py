"""The dashboard of a box: figures, unknowns, age, thresholds, servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gptoss_tui.app import messages as said
from gptoss_tui.domain.draining import Draining
from gptoss_tui.domain.gpu import GpuSample, GpuSnapshot
from gptoss_tui.domain.instance import Instance, InstanceList
from gptoss_tui.domain.serving import EngineCounters, EngineRates, EngineSnapshot, Quantiles
from tests.app.fakes import Clock, FakeBox, FakeFleet
from tests.app.make import report, sample, server
from tests.app.support import Operator, assert_clean, at_app

BUSY = EngineSnapshot(
    healthy=True,
    running=12,
    waiting=0,
    kv_cache_usage=0.34,
    kv_cache_tokens=1_234_567,
    kv_cache_max_concurrency=37.5,
    counters=EngineCounters(preemptions=3),
    rates=EngineRates(
        interval_s=1.0,
        prompt_tokens_per_s=2100,
        generation_tokens_per_s=843,
        finished_per_s=2.5,
        prefix_hit_ratio=0.25,
        ttft=Quantiles(p50_s=0.084, p90_s=1.24),
    ),
)


@asynccontextmanager
async def watching(fleet: FakeFleet, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Operator]:
    """The dashboard of alpha, which is connected."""
    async with at_app(fleet, size, clock=fleet.clock) as operator:
        await operator.press("enter")
        await operator.until(lambda: bool(fleet.connected), "alpha is connected")
        await operator.until(
            lambda: getattr(operator.app.model("alpha").link, "phase", "") == "up",
            "the link is up",
        )
        await operator.press("enter")
        await operator.at("DashboardScreen")
        yield operator


def alpha(fleet: FakeFleet) -> FakeBox:
    return fleet.boxes["alpha"]


async def test_every_column_of_dmon_is_shown(fleet: FakeFleet) -> None:
    alpha(fleet).samples = (
        sample(0, encoder_pct=1, decoder_pct=2, jpeg_pct=3, optical_flow_pct=4),
        sample(1, sm_pct=5.0),
    )
    alpha(fleet).report = report(2)
    async with watching(fleet) as operator:
        await operator.sees("GPUs · 2 on alpha", "GPU 0 NVIDIA H100 80GB HBM3", "GPU 1")
        await operator.sees("sm 87 %", "mem 45 %", "power 412 W", "of 700 W", "sm 5 %")
        await operator.sees("core  61°", "memory  70°", "60.0/79.6G")
        await operator.sees("enc 1", "dec 2", "jpg 3", "ofa 4", "bar1 14M", "ccpm 0")


async def test_unknown_figures_are_never_zero(fleet: FakeFleet) -> None:
    alpha(fleet).samples = (GpuSample(index=0),)
    alpha(fleet).report = report(0)
    alpha(fleet).servers = (server(),)
    alpha(fleet).scrape = EngineSnapshot(healthy=True)
    async with watching(fleet) as operator:
        await operator.sees("GPU 0 --", "sm --", "mem --", "power --", "of -- W", "--/--G")
        await operator.sees("enc --", "bar1 --", "ccpm --")
        assert no_zero(operator)
        await operator.press("2")
        await operator.sees("running --", "waiting --", "KV cache --", "tokens/s out --", "in --")
        await operator.sees(
            "TTFT p50 --", "TTFT p90 --", "hits --", "done --/s", "KV -- tok = -- req"
        )


def no_zero(operator: Operator) -> bool:
    """The axis of a chart begins at 0; no figure is."""
    return not any("sm 0" in line or " 0 W" in line or "0.0/" in line for line in operator.lines)


async def test_the_engine_in_figures(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).scrape = BUSY
    async with watching(fleet) as operator:
        await operator.press("2")
        await operator.sees("Engine · gpt-oss-20b", "running 12", "waiting 0", "KV cache 34 %")
        await operator.sees("tokens/s out 843", "in 2100", "TTFT p50 84 ms", "TTFT p90 1.24 s")
        await operator.sees("hits 25 %", "done 2.5/s", "preempted 3", "KV 1.23M tok = 37.5 req")
        assert "▲" not in operator.screen
        assert operator.said(said.EngineWatchRequested) == [
            said.EngineWatchRequested("alpha", "gpt-oss-20b")
        ]


async def test_thresholds_are_said_in_words(fleet: FakeFleet, clock: Clock) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).scrape = EngineSnapshot(healthy=True, running=64, waiting=3, kv_cache_usage=0.97)
    async with watching(fleet, (130, 40)) as operator:
        await operator.sees("running 64 ▲ queue", "waiting 3", "KV cache 97 % ▲ above 90 %")
        assert "Requests have been waiting" not in operator.flat  # not yet: it may pass
        clock.pass_(31)
        await alpha(fleet).engine("gpt-oss-20b")
        await operator.sees("Requests have been waiting for 31 s", "Add an instance or a GPU")
        await operator.sees("KV cache has been above 90 % for 31 s")
        alpha(fleet).scrape = BUSY
        await alpha(fleet).engine("gpt-oss-20b")
        await operator.sees_no("Requests have been waiting")
        await operator.sees_no("▲")


@pytest.mark.parametrize(
    ("scrape", "sentence"),
    [
        (EngineSnapshot(healthy=False), "The server does not answer: it is loading"),
        (EngineSnapshot(healthy=True, metrics=False), "The server answers, but serves no metrics."),
    ],
)
async def test_a_silent_server_is_a_sentence(
    fleet: FakeFleet, scrape: EngineSnapshot, sentence: str
) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).scrape = scrape
    async with watching(fleet) as operator:
        await operator.press("2")
        await operator.sees(sentence, "running --")


async def test_old_figures_are_marked_with_their_age(fleet: FakeFleet, clock: Clock) -> None:
    alpha(fleet).samples = (sample(),)
    alpha(fleet).servers = (server(),)
    alpha(fleet).scrape = BUSY
    async with watching(fleet, (120, 40)) as operator:
        await operator.sees("sm 87 %", "running 12")
        assert " old" not in operator.screen
        clock.pass_(6)
        fleet.hub.publish(InstanceList(instances=alpha(fleet).servers), box="alpha")
        await operator.settle()
        assert " old" not in operator.screen
        clock.pass_(6)
        await operator.sees("GPUs · 1 on alpha · 12 s old", "Engine · gpt-oss-20b · 12 s old")
        assert operator.app.screen.query("Pane.-stale").results()
        clock.pass_(600)
        await operator.sees("1 on alpha · 10 min old")
        await alpha(fleet).gpus()
        await operator.sees("GPUs · 1 on alpha  ─")
        await operator.sees("Engine · gpt-oss-20b · 10 min old")  # each pane has its own age


async def test_a_lost_connection_is_said_and_leaves_a_gap(fleet: FakeFleet, clock: Clock) -> None:
    alpha(fleet).samples = (sample(),)
    async with watching(fleet) as operator:
        await operator.sees("sm 87 %")
        clock.pass_(20)
        alpha(fleet).lose()
        await operator.sees("connection lost", "20 s old")
        model = operator.app.models["alpha"]
        assert model.gpu_history[0]["sm"].values() == [87.0, None]
        alpha(fleet).lost.clear()
        alpha(fleet).phase = "up"
        alpha(fleet).samples = (sample(sm_pct=11.0),)
        await operator.sees("sm 11 %")
        await operator.sees_no(" old")
        await operator.sees_no("connection")


async def test_servers_and_their_log(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(), server("theirs", managed=False, port=9000, gpu_ids=()))
    alpha(fleet).log = ("INFO loading", "ERROR it broke")
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("● ready", "gpt-oss-20b", "theirs", "INFO loading", "ERROR it broke")
        assert "Watch" not in operator.lines[-1]  # that one is watched already
        await operator.press("down")
        await operator.sees("⏎ Watch")
        await operator.press("enter")
        await operator.until(
            lambda: said.LogsRequested("alpha", "theirs") in operator.said(said.LogsRequested),
            "the log of the other one is asked for",
        )
        await operator.press("2")
        await operator.sees("Engine · theirs")


async def test_servers_of_others_are_never_stopped(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server("theirs", managed=False),)
    async with watching(fleet, (120, 40)) as operator:
        await operator.sees("● ready       theirs", "not ours  :8000  1 GPU")
        await operator.sees("Waiting for the first figures of theirs…")
        await operator.press("s")
        await operator.hears("theirs is not ours: it is watched, never stopped.")
        await operator.at("DashboardScreen")
    assert operator.said(said.StopRequested) == []
    assert alpha(fleet).calls == []


async def test_stopping_is_asked_about(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet) as operator:
        await operator.press("2")
        await operator.sees("Engine · gpt-oss-20b")
        for keep in ("n", "escape"):
            await operator.press("s")
            await operator.sees(
                "Stop gpt-oss-20b on alpha and remove its container?", "Yes, stop it (y)"
            )
            await operator.press(keep)
            await operator.at("DashboardScreen")
        assert alpha(fleet).calls == []
        await operator.press("s")
        await operator.sees("Keep it (n)")
        await operator.press("s", "s")  # what opened the question does not answer it
        await operator.press("y")
        await operator.hears("gpt-oss-20b was stopped.")
        await operator.press("3")
        await operator.sees("No server runs here. w launches one.")
    assert alpha(fleet).calls == [("stop", "gpt-oss-20b")]
    assert operator.said(said.StopRequested) == [said.StopRequested("alpha", "gpt-oss-20b")] * 3


@pytest.mark.parametrize(
    ("key", "call"),
    [("c", ("stop", "gpt-oss-20b", 0)), ("r", ("restart", "gpt-oss-20b", None))],
)
async def test_a_server_is_stopped_at_once_or_restarted(
    fleet: FakeFleet, key: str, call: tuple[Any, ...]
) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).scrape = EngineSnapshot(healthy=True, running=3.0, waiting=1.0)
    async with watching(fleet) as operator:
        await operator.press("2")
        await operator.sees("Engine · gpt-oss-20b", "running 3")
        await operator.press("s")
        await operator.sees("It works on 3 requests, and 1 waits.", "load balancer", "Cut now (c)")
        await operator.press(key)
        await operator.hears("gpt-oss-20b was")
    assert alpha(fleet).calls == [call]


async def test_a_drain_is_shown_where_the_server_is_listed(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("● ready")
        figures = Draining(running=3.0, waiting=2.0, left_s=40.0, refuses_new=True)
        fleet.hub.publish(figures, box="alpha", instance="gpt-oss-20b")
        await operator.sees("◌ draining", "5 left, 40 s")


async def test_with_no_server_no_key_is_offered_that_needs_one(fleet: FakeFleet) -> None:
    async with watching(fleet) as operator:
        await operator.press("2")
        await operator.sees("No server runs here. w launches one.", "running --")
        await operator.sees("c Chat  w Launch  q Back")
        await operator.press("o", "u", "l", "s", "v", "p")
        await operator.at("DashboardScreen")
        await operator.press("4", "h", "i", "enter")
        await operator.hears("No server runs here: launch one first (w).")
        assert operator.said(said.ChatRequested) == []


async def test_the_endpoint_is_opened_here_and_closed_again(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    async with watching(fleet) as operator:
        await operator.until(lambda: fleet_watch(operator) == "gpt-oss-20b", "it is watched")
        await operator.press("o")
        await operator.hears("gpt-oss-20b is open at http://127.0.0.1:45678/v1 on this machine.")
        await operator.press("3")
        await operator.sees("open: http://127.0.0.1:45678/v1")
        await operator.press("u")
        await operator.until(lambda: bool(operator.said(said.CopyRequested)), "it is copied")
        assert "http://127.0.0.1:45678/v1" in operator.said(said.CopyRequested)[-1].text
        await operator.press("o")
        await operator.hears("gpt-oss-20b is no longer open on this machine.")
        await operator.sees_no("open: http")
        await operator.press("u")
        await operator.until(lambda: len(operator.said(said.CopyRequested)) == 2, "it is copied")
        assert "http://127.0.0.1:8000/v1" in operator.said(said.CopyRequested)[-1].text
        assert (
            operator.said(said.ForwardRequested)
            == [said.ForwardRequested("alpha", "gpt-oss-20b")] * 2
        )


async def test_the_log_is_still_there_when_the_place_is_entered_again(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(),)
    alpha(fleet).log = ("first line", "second line")
    async with watching(fleet) as operator:
        await operator.press("3")
        await operator.sees("first line", "second line")
        alpha(fleet).log = ()  # the log goes on behind what was read: it does not come again
        await operator.press("q")
        await operator.at("BoxesScreen")
        await operator.press("enter")
        await operator.at("DashboardScreen")
        await operator.press("3")
        await operator.sees("first line", "second line")


async def test_the_dashboard_that_is_open_is_turned_to(fleet: FakeFleet) -> None:
    alpha(fleet).servers = (server(), server("other"))
    async with watching(fleet) as operator:
        await operator.until(lambda: fleet_watch(operator) == "gpt-oss-20b", "it is watched")
        places = len(operator.app.screen_stack)
        operator.app.post_message(said.DashboardRequested("alpha", "other", 4))
        await operator.sees("4 Chat · other")
        assert fleet_watch(operator) == "other"
        assert len(operator.app.screen_stack) == places


def fleet_watch(operator: Operator) -> str | None:
    instance: str | None = getattr(operator.app.screen, "instance", None)
    return instance


@pytest.mark.parametrize("size", [(80, 24), (160, 48), (40, 12), (20, 6)])
async def test_eight_gpus_on_every_size(fleet: FakeFleet, size: tuple[int, int]) -> None:
    alpha(fleet).report = report(8)
    alpha(fleet).samples = tuple(sample(index, sm_pct=90.0 + index) for index in range(8))
    alpha(fleet).servers = tuple(server(f"server-{number}") for number in range(8))
    alpha(fleet).scrape = BUSY
    alpha(fleet).log = tuple(f"line {number} " + "x" * 300 for number in range(50))
    async with watching(fleet, size) as operator:
        await operator.until(
            lambda: operator.app.models["alpha"].gpus is not None, "GPUs are known"
        )
        await operator.settle()
        if size[0] >= 80:
            await operator.sees(*(f"{90 + index}" for index in range(8)))
        for key in ("1", "2", "3", "4", "ctrl+g", "z", "z", "question_mark", "q", "p"):
            await operator.press(key)
            await operator.settle()
            assert_clean(operator.lines)
            assert len(operator.lines) == size[1]
            assert all(len(line) <= size[0] for line in operator.lines)
        await operator.press("q", "w")
        await operator.at("WizardScreen")
        assert_clean(operator.lines)
        await operator.press("ctrl+g", "q")
        await operator.at("BoxesScreen")


async def test_small_and_large_screens_while_it_runs(fleet: FakeFleet) -> None:
    alpha(fleet).samples = (sample(),)
    alpha(fleet).servers = (server(),)
    async with watching(fleet, (160, 48)) as operator:
        await operator.sees("1 GPUs", "2 Engine", "3 Servers and log", "4 Chat")
        await operator.pilot.resize_terminal(40, 12)
        await operator.sees_no("2 Engine ·")
        await operator.sees("1 GPUs")
        await operator.pilot.resize_terminal(160, 48)
        await operator.sees("2 Engine ·", "4 Chat")
        await operator.press("4", "ctrl+g", "2", "z")
        await operator.sees_no("4 Chat ·")


async def test_a_sample_in_the_queue_gives_way(clock: Clock) -> None:
    fleet = FakeFleet(clock)
    body = GpuSnapshot(gpus=(), source="dmon")
    one, two = (fleet.hub.publish(body, box="alpha") for _ in range(2))
    other = fleet.hub.publish(body, box="beta")
    listed = fleet.hub.publish(InstanceList(instances=tuple[Instance, ...]()), box="alpha")
    arrived = said.FactArrived
    assert arrived(two).can_replace(arrived(one))
    assert not arrived(other).can_replace(arrived(one))
    assert not arrived(listed).can_replace(arrived(listed))
    assert not arrived(two).can_replace(said.ConnectRequested("alpha"))


@pytest.mark.parametrize("width", [20, 40, 80, 110, 160])
async def test_the_footer_shows_whole_keys_and_the_way_back(fleet: FakeFleet, width: int) -> None:
    alpha(fleet).servers = (server(),)
    shown = (
        "c Chat|w Launch|s Stop|v Upgrade|o Open|p Log|l Timeline|u Copy URL|z Zoom|q Back|? Keys"
    )
    async with watching(fleet, (width, 40)) as operator:
        await operator.until(lambda: fleet_watch(operator) == "gpt-oss-20b", "it is watched")
        await operator.press("3")
        await operator.sees("q Back", "? Keys")
        words = [word for word in operator.lines[-1].split("  ") if word.strip()]
        assert {word.strip() for word in words} <= set(shown.split("|"))
        assert ("l Timeline" in operator.screen) is (width >= 80)
        assert ("z Zoom" in operator.screen) is (width >= 110)
        await operator.pilot.resize_terminal(160, 40)
        await operator.sees("z Zoom", "u Copy URL")
