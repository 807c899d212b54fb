"""The engine's figures and their history: queue, KV cache, token rates, time to first token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from gptoss_tui.app.widgets.figures import UNKNOWN, count, percent, seconds
from gptoss_tui.app.widgets.line_chart import Chart, LineChart
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


def engine_view(snapshot: EngineSnapshot, history: Mapping[str, Series]) -> EngineView:
    """The view of a scrape and what came before it."""
    note = ""
    if snapshot.healthy is False:
        note = "The server does not answer: it is loading, or it has stopped (see its log)."
    elif not snapshot.metrics:
        note = "The server answers, but serves no metrics."
    return EngineView(
        snapshot=snapshot,
        history=tuple((name, tuple(series.values(240))) for name, series in history.items()),
        findings=engine_findings(history, snapshot),
        note=note,
    )


def figures_line(view: EngineView) -> Content:
    """The figures that have no chart of their own, and the findings in words."""
    snapshot = view.snapshot
    lines: list[Content] = []
    if view.note:
        lines.append(Content(view.note))
    if snapshot is not None and snapshot.metrics:
        rates = snapshot.rates
        pool = snapshot.kv_cache_tokens
        most = snapshot.kv_cache_max_concurrency
        lines.append(
            Content(
                f"TTFT p90 {seconds(rates.ttft.p90_s if rates and rates.ttft else None)}"
                f"  hits {percent(rates.prefix_hit_ratio if rates else None)}"
                f"  done {count(rates.finished_per_s if rates else None)}/s"
                f"  preempted {count(snapshot.counters.preemptions)}"
                f"  KV {count(pool)} tok"
                f" = {UNKNOWN if most is None else f'{most:.1f}'} req"
            )
        )
    lines += [Content.assemble(("▲ ", "$warning bold"), f"{f.what} {f.do}") for f in view.findings]
    return Content("\n").join(lines)


def charts(view: EngineView) -> dict[str, Chart]:
    """The four charts by the id of their widget."""
    snapshot = view.snapshot
    rates = snapshot.rates if snapshot else None
    ttft = rates.ttft.p50_s if rates and rates.ttft else None
    waiting = snapshot.waiting if snapshot else None
    usage = snapshot.kv_cache_usage if snapshot else None
    return {
        "chart-queue": Chart(
            "running", view.past("running"), count(snapshot.running if snapshot else None),
            note=f"waiting {count(waiting)}", alarm="queue" if waiting else "",
        ),
        "chart-kv": Chart(
            "KV cache", view.past("kv_cache_usage"), percent(usage), top=1.0, threshold=KV_FULL,
            alarm="above 90 %" if usage is not None and usage > KV_FULL else "",
            label=lambda value: f"{value * 100:.0f}%", ink="good",
        ),
        "chart-tokens": Chart(
            "tokens/s out", view.past("generation"),
            count(rates.generation_tokens_per_s if rates else None),
            note=f"in {count(rates.prompt_tokens_per_s if rates else None)}", ink="accent",
        ),
        "chart-ttft": Chart(
            "TTFT p50", view.past("ttft"), seconds(ttft),
            label=short_seconds, least=0.1, ink="cool",
        ),
    }  # fmt: skip


def short_seconds(value: float) -> str:
    """A latency for an axis, at most five characters."""
    return f"{value * 1000:.0f}ms" if value < 1 else f"{value:.1f}s"


class EnginePane(Vertical):
    """Draws an `EngineView`."""

    DEFAULT_CSS = """
    EnginePane { background: $surface; }
    EnginePane #figures { height: auto; }
    EnginePane Horizontal { height: 1fr; }
    EnginePane LineChart { width: 1fr; margin-right: 1; }
    """
    view: reactive[EngineView] = reactive(EngineView())

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield LineChart(id="chart-queue")
            yield LineChart(id="chart-kv")
        with Horizontal():
            yield LineChart(id="chart-tokens")
            yield LineChart(id="chart-ttft")
        yield Static(id="figures")

    def watch_view(self, view: EngineView) -> None:
        if self.is_mounted:
            self._draw(view)

    def _draw(self, view: EngineView) -> None:
        for name, chart in charts(view).items():
            self.query_one(f"#{name}", LineChart).chart = chart
        figures, text = self.query_one("#figures", Static), figures_line(view)
        # A new layout costs more than all charts together: only where the text takes more lines.
        rows = text.get_height({}, max(1, figures.size.width))
        figures.update(text, layout=rows != figures.size.height)

    def on_mount(self) -> None:
        self._draw(self.view)
