"""The engine's figures and their history: queue, KV cache, token rates, time to first token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import wrap

from textual.reactive import var
from textual.strip import Strip

from gptoss_tui.app.widgets.figures import UNKNOWN, count, percent, seconds
from gptoss_tui.app.widgets.line_chart import Chart, chart_lines
from gptoss_tui.app.widgets.paint import Cell, Painted, padded
from gptoss_tui.domain.health import KV_FULL, engine_findings
from gptoss_tui.domain.history import Series
from gptoss_tui.domain.host import Finding
from gptoss_tui.domain.serving import EngineSnapshot


@dataclass(frozen=True)
class EngineView:
    """All that the pane shows."""

    snapshot: EngineSnapshot | None = None
    history: tuple[tuple[str, tuple[float | None, ...]], ...] = ()
    findings: tuple[Finding, ...] = ()
    note: str = "No server is watched. Choose one in pane 3."

    def past(self, name: str) -> tuple[float | None, ...]:
        return dict(self.history).get(name, ())


def engine_view(
    snapshot: EngineSnapshot, history: Mapping[str, Series], watch_error: str = ""
) -> EngineView:
    """The view of a scrape and what came before it; `watch_error` is why no newer one comes."""
    note = watch_error
    if not note and snapshot.healthy is False:
        note = "The server does not answer: it is loading, or it has stopped (see its log)."
    elif not note and not snapshot.metrics:
        note = "The server answers, but serves no metrics."
    return EngineView(
        snapshot=snapshot,
        history=tuple((name, tuple(series.values(240))) for name, series in history.items()),
        findings=engine_findings(history, snapshot),
        note=note,
    )


def engine_lines(view: EngineView, width: int, rows: int) -> list[list[Cell]]:
    """The whole pane: two charts beside each other, two below, then words and figures."""
    words = word_lines(view, width)
    room = max(0, rows - len(words))
    queue, cache, tokens, ttft = charts(view)
    upper = beside(queue, cache, width, room // 2)
    lower = beside(tokens, ttft, width, room - room // 2)
    return [*upper, *lower, *words][:rows]


def beside(one: Chart, other: Chart, width: int, rows: int) -> list[list[Cell]]:
    """Two charts in as many rows, each with an empty column behind it."""
    half = width // 2 - 1
    pairs = zip(chart_lines(one, half, rows), chart_lines(other, half, rows), strict=True)
    return [[*padded(left, half + 1), *right] for left, right in pairs]


def word_lines(view: EngineView, width: int) -> list[list[Cell]]:
    """The note, the figures that have no chart of their own, and the findings in words."""
    lines: list[list[Cell]] = [[(text, "text")] for text in wrap(view.note, max(1, width))]
    snapshot = view.snapshot
    if snapshot is not None and snapshot.metrics:
        lines += [[(text, "text")] for text in wrap(_figures(snapshot), max(1, width))]
    for finding in view.findings:
        text = wrap(f"{finding.what} {finding.do}", max(1, width - 2))
        marks = ["▲ ", *["  "] * (len(text) - 1)]
        lines += [[(mark, "warn"), (line, "text")] for mark, line in zip(marks, text, strict=True)]
    return lines


def _figures(snapshot: EngineSnapshot) -> str:
    rates = snapshot.rates
    most = snapshot.kv_cache_max_concurrency
    return (
        f"TTFT p90 {seconds(rates.ttft.p90_s if rates and rates.ttft else None)}"
        f"  hits {percent(rates.prefix_hit_ratio if rates else None)}"
        f"  done {count(rates.finished_per_s if rates else None)}/s"
        f"  preempted {count(snapshot.counters.preemptions)}"
        f"  KV {count(snapshot.kv_cache_tokens)} tok"
        f" = {UNKNOWN if most is None else f'{most:.1f}'} req"
    )


def charts(view: EngineView) -> tuple[Chart, Chart, Chart, Chart]:
    """Queue, KV cache, tokens, time to first token."""
    snapshot = view.snapshot
    rates = snapshot.rates if snapshot else None
    ttft = rates.ttft.p50_s if rates and rates.ttft else None
    waiting = snapshot.waiting if snapshot else None
    usage = snapshot.kv_cache_usage if snapshot else None
    return (
        Chart(
            "running", view.past("running"), count(snapshot.running if snapshot else None),
            note=f"waiting {count(waiting)}", alarm="queue" if waiting else "",
        ),
        Chart(
            "KV cache", view.past("kv_cache_usage"), percent(usage), top=1.0, threshold=KV_FULL,
            alarm="above 90 %" if usage is not None and usage > KV_FULL else "",
            label=lambda value: f"{value * 100:.0f}%", ink="good",
        ),
        Chart(
            "tokens/s out", view.past("generation"),
            count(rates.generation_tokens_per_s if rates else None),
            note=f"in {count(rates.prompt_tokens_per_s if rates else None)}", ink="accent",
        ),
        Chart(
            "TTFT p50", view.past("ttft"), seconds(ttft),
            label=short_seconds, least=0.1, ink="cool",
        ),
    )  # fmt: skip


def short_seconds(value: float) -> str:
    """A latency for an axis, at most five characters."""
    return f"{value * 1000:.0f}ms" if value < 1 else f"{value:.1f}s"


class EnginePane(Painted):
    """Draws an `EngineView`: all of it by one widget, so that a line is drawn once."""

    DEFAULT_CSS = """
    EnginePane { overflow: hidden hidden; }
    """
    can_focus = False
    view: var[EngineView] = var(EngineView())
    _lines: list[list[Cell]] | None = None

    def watch_view(self) -> None:
        before, self._lines = self._lines, engine_lines(self.view, *self.size)
        self.refresh_changed(before, self._lines)

    def on_resize(self) -> None:
        # What was drawn before this came (nothing, while it was hidden) has the old size.
        self._lines = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if self._lines is None:
            self._lines = engine_lines(self.view, width, height)
        if y >= len(self._lines):
            return self.blank(width)
        return self.strip(self._lines[y], width)
