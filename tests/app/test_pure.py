"""What the places write, as functions of the facts: no terminal needed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gptoss_tui.app import wizard_state
from gptoss_tui.app.boxes_text import about_lines, gpus_text, row_of, runs_text
from gptoss_tui.app.conversation import Conversation
from gptoss_tui.app.dashboard_text import gpu_view, server_row, tabs_line
from gptoss_tui.app.model import BoxModel
from gptoss_tui.app.screens.boxes import columns_for
from gptoss_tui.app.timeline_text import timeline_lines, took
from gptoss_tui.app.widgets.gpu_card import HEIGHTS, CardSize, GpuCard, card_lines
from gptoss_tui.app.widgets.gpu_pane import GpuView, card_size, gpu_lines
from gptoss_tui.app.widgets.line_chart import Chart, chart_lines, nice_top
from gptoss_tui.app.widgets.memory_bar import bar_cells, legend_cells, shares
from gptoss_tui.app.widgets.paint import plain, width_of
from gptoss_tui.app.widgets.spark import bar, columns, sparkline
from gptoss_tui.app.wizard_state import Choices
from gptoss_tui.domain.chat import ChatDelta, ChatDone
from gptoss_tui.domain.facts import Hub
from gptoss_tui.domain.gpu import GIB, MIB, GpuProcess, GpuSample
from gptoss_tui.domain.host import Finding, GpuHealth, LinkState
from gptoss_tui.domain.preflight.fetching import REGISTRY
from gptoss_tui.domain.progress import LaunchProgress, Phase
from gptoss_tui.errors import UsageError
from gptoss_tui.remote.fleet_port import BoxEntry
from tests.app.fakes import START, Clock
from tests.app.make import gpu, report, sample, server

ENTRY = BoxEntry("alpha", "ssh", "root@alpha", "ssh config")


def test_a_row_of_an_unknown_box_has_no_figures() -> None:
    cells = [cell.plain for cell in row_of(ENTRY, None, START)]
    assert cells == ["alpha", "○ not contacted", "--", "--", "ssh config"]
    assert (gpus_text(None), runs_text(None, START)) == ("--", "--")
    assert gpus_text(report(0)) == "none"
    assert gpus_text(report(gpus=(gpu(), gpu(1), gpu(2, name="NVIDIA GeForce RTX 4090")))) == (
        "2 x H100 80GB, 1 x RTX 4090"
    )


def test_every_phase_of_a_link_has_words() -> None:
    from typing import get_args

    from gptoss_tui.domain.host import LinkPhase

    for phase in get_args(LinkPhase):
        model = BoxModel("alpha")
        model.link = LinkState(phase=phase, reason="Because [x].")
        assert row_of(ENTRY, model, START)[1].plain[2:]
        lines = [line.plain for line in about_lines("alpha", model, START, demo=False)]
        assert ("▲ Because [x]." in lines) is (phase != "up")


@pytest.mark.parametrize("width", [40, 60, 80, 99, 100, 160, 300])
def test_columns_fit_their_screen(width: int) -> None:
    names = [name for name, _ in columns_for(width)]
    assert names[:2] == ["box", "state"]
    assert ("known from" in names) is (width >= 100)
    assert ("runs" in names) is (width >= 80)
    assert sum(cells + 2 for _, cells in columns_for(width)) <= width - 4


@pytest.mark.parametrize(
    ("text", "value"), [("8192", 8192), (" 32k ", 32768), ("1,024", 1024), ("1_000", 1000)]
)
def test_numbers_as_people_write_them(text: str, value: int) -> None:
    assert wizard_state.number(text, "It") == value


@pytest.mark.parametrize("text", ["", "x", "1.5", "k", "eight"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(UsageError, match="It must be a whole number"):
        wizard_state.number(text, "It")


def test_preselected_are_free_gpus_alone() -> None:
    busy = gpu(0, memory_used_bytes=30 * GIB)
    assert wizard_state.preselected(report(gpus=(busy, gpu(1))), Choices()) == ("1",)
    assert wizard_state.preselected(report(gpus=(busy,)), Choices()) == ()
    holder = server(gpu_ids=("GPU-0",))
    assert wizard_state.preselected(report(2), Choices(), (holder,)) == ("1",)
    gone = server(gpu_ids=("GPU-0",), state="exited")
    assert wizard_state.preselected(report(2), Choices(), (gone,)) == ("0",)
    assert wizard_state.preselected(report(2), Choices(context="much")) == ()
    held = wizard_state.holders(report(gpus=(busy,)), ())
    assert wizard_state.gpu_label(busy, held["0"]).endswith("in use")
    assert wizard_state.gpu_label(gpu(), "ours").endswith("H100 80GB HBM3  ours")
    lost = gpu(usable=False)
    assert wizard_state.gpu_label(lost).endswith("cannot be used")
    made = wizard_state.moved(report(gpus=(lost, gpu(1))), Choices(gpu_ids=("0",)), (), {})
    assert made is not None
    assert made.gpu_ids == ("1",)
    assert "GPU 0 failed" in made.words
    named = wizard_state.outcome(report(gpus=(lost,)), Choices(gpu_ids=("0",)))
    assert (named.plan, named.spec) == (None, None)
    assert named.problem.startswith("No program can start on GPU 0")


def test_a_gpu_for_one_process_that_somebody_took_has_not_failed() -> None:
    mps = GpuProcess(pid=1, name="nvidia-cuda-mps-server", memory_bytes=30 * MIB)
    alone = GpuHealth(index=0, compute_mode="Exclusive_Process")
    box = report(gpus=(gpu(processes=(mps,)), gpu(1)), health=(alone,))
    made = wizard_state.moved(box, Choices(gpu_ids=("0",)), (), {})
    assert made is not None
    assert made.words == "GPU 0 was taken by somebody meanwhile: GPU 1 is chosen instead."
    assert wizard_state.gpu_label(box.gpus[0], "somebody").endswith("in use")


def test_the_plan_notes_what_the_box_cannot_fetch() -> None:
    lacking = Finding(code=REGISTRY, level="warning", what="No registry.")
    box = report(findings=(lacking,))
    choices = Choices(gpu_ids=("0",))
    made = wizard_state.outcome(box, choices).plan
    assert made is not None
    assert made.warnings[0] == "No registry."
    elsewhere = Choices(gpu_ids=("0",), version="mirror.lan:5000/vllm:v0.32.0")
    made = wizard_state.outcome(box, elsewhere).plan
    assert made is not None
    assert "No registry." not in made.warnings


def test_no_gpu_chosen_is_a_sentence() -> None:
    outcome = wizard_state.outcome(report(), Choices())
    assert outcome.plan is None
    assert outcome.problem.startswith("Choose at least one GPU.")


@pytest.mark.parametrize("width", [5, 20, 33, 60, 120])
def test_the_memory_bar_fills_its_width(width: int) -> None:
    plan = wizard_state.outcome(report(), Choices(gpu_ids=("0",))).plan
    assert plan is not None
    cells = bar_cells(plan.memory_gib, width)
    assert width_of(cells) == width
    assert {text[0] for text, _ in cells} >= {"█", "▒"}
    assert sum(shares(plan.memory_gib)) == pytest.approx(plan.memory_gib.device_total, abs=0.01)
    assert "KV cache" in "".join(
        plain(line) for line in legend_cells(plan.memory_gib, narrow=False)
    )


@pytest.mark.parametrize("card", list(HEIGHTS))
@pytest.mark.parametrize("width", [20, 38, 62, 80, 158])
def test_a_card_has_its_lines_and_never_a_false_zero(card: CardSize, width: int) -> None:
    for one in (GpuCard(sample()), GpuCard(GpuSample(index=7))):
        lines = card_lines(one, width, card)
        assert len(lines) == HEIGHTS[card]
    text = "\n".join(plain(line) for line in card_lines(GpuCard(GpuSample(index=7)), width, card))
    figures = [word for word in text.replace("/", " ").split() if word.strip("%W°!G").isdigit()]
    assert set(figures) <= {"7", "0", "1", "2"}, figures  # index and the axis alone
    assert "0%" not in text.replace("  0┤", "")
    assert "--" in text


def test_hot_and_full_cards_are_marked() -> None:
    hot = GpuCard(sample(gpu_temp_c=91.0, memory_used_bytes=sample().memory_total_bytes))
    cells = [cell for line in card_lines(hot, 100, "pair") for cell in line]
    assert ("  91°!", "bad") in cells
    assert any(ink == "warn" and "━" in text for text, ink in cells)


def test_cards_take_the_size_that_shows_them_all() -> None:
    assert card_size(1, 78, 20) == "tall"
    assert card_size(8, 78, 20) == "pair"
    assert card_size(8, 78, 10) == "line"
    assert card_size(8, 38, 9) == "pair"  # too narrow for lines: it scrolls
    assert plain(gpu_lines(GpuView(), 80, 20)[0]) == "Waiting for the first figures…"


def test_charts() -> None:
    assert [nice_top([value]) for value in (0.0, 1.1, 2.4, 4.9, 77.0, 1000.0)] == [
        1, 2, 2.5, 5, 100, 1000,
    ]  # fmt: skip
    lines = chart_lines(Chart("kv", (0.5, None, 0.95), "95 %", top=1.0, threshold=0.9), 30, 4)
    assert len(lines) == 4
    assert plain(lines[0]).startswith("kv 95 %")
    assert any(ink == "warn" for line in lines[1:] for _, ink in line)
    assert all(width_of(line) <= 30 for line in lines)
    assert chart_lines(Chart("kv"), 0, 0) == []
    assert sparkline((None, 0.0, 100.0), 4, 100.0) == "  ▁█"
    assert columns((None, 0.0, 1.0), 3, 1, 1.0) == ["  █"]
    assert bar(None, 4) == ("", "┄┄┄┄")
    assert bar(0.001, 4)[0] == "╸"
    assert bar(1.0, 0) == ("", "")


def test_a_timeline_has_a_line_for_each_phase() -> None:
    phases = (
        Phase(
            name="reserve", state="done", started_at=START, ended_at=START + timedelta(seconds=4)
        ),
        Phase(
            name="pull",
            state="running",
            started_at=START,
            done_bytes=GIB,
            total_bytes=GIB,
            fraction=0.99,
            detail="x",
        ),
        Phase(name="create"),
        Phase(name="weights", state="skipped"),
    )
    progress = LaunchProgress(launch_id="1", name="n", state="running", phases=phases)
    now = START + timedelta(seconds=9)
    lines = [line.plain for line in timeline_lines(progress, now, 80)]
    assert [line[1] for line in (lines[0], lines[1], lines[3], lines[4])] == ["✓", "▶", "○", "–"]
    assert "4 s" in lines[0]
    assert "9 s" in lines[1]
    assert "1.0 of 1.0 GiB" in lines[2]
    assert "─" in lines[2] or "╸" in lines[2]  # never full while it goes on
    assert took(Phase(name="create"), now) == ""


def test_a_conversation_takes_only_what_belongs_to_it() -> None:
    talk = Conversation()
    talk.take(ChatDelta(channel="answer", text="late"))
    assert not talk.turns
    talk.ask("q", "low")
    talk.take(ChatDelta(channel="answer", text="a"))
    talk.take(ChatDone(finish_reason="abort", total_s=1.0))
    talk.take(ChatDelta(channel="answer", text="late"))
    assert (talk.turns[-1].answer, talk.streaming) == ("a", False)
    assert talk.turns[-1].end.startswith("cut off: aborted")
    talk.fail("too late")
    assert "too late" not in talk.turns[-1].end


def test_a_model_keeps_the_last_fact_of_each_kind() -> None:
    clock = Clock()
    hub, model = Hub(clock), BoxModel("alpha")
    hub.tap(model.apply)
    assert gpu_view(model).note.startswith("Waiting")
    hub.publish(report(0), box="alpha")
    assert gpu_view(model).note.startswith("This box has no GPU")
    assert model.box_now(START) == START
    hub.publish(report(0), box="alpha", box_time=START - timedelta(hours=2))
    assert model.box_now(START) == START - timedelta(hours=2)
    hub.publish(report(0), box="alpha", box_time=START + timedelta(seconds=1))
    assert model.box_now(START) == START  # a look takes as long


def test_rows_and_tabs() -> None:
    model = BoxModel("alpha")
    cells = server_row(model, server(managed=False, gpu_ids=("0", "1")))
    assert cells == ("● ready", "gpt-oss-20b", "not ours  :8000  2 GPUs", "openai/gpt-oss-20b")
    assert server_row(model, server(port=None, gpu_ids=()))[2] == "--"
    assert len(tabs_line(1).plain.rstrip()) <= 40
