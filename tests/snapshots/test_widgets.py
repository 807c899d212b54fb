"""Snapshots of the two widgets that are pictures themselves: the memory bar and a GPU's card.

Whole places are not snapshot here: `tests.screenshots --check` draws them from the simulated box
over SSH with a frozen clock, which holds the data path too, and the README shows those same files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.widget import Widget

from gptoss_tui.app.theming import DEFAULT, load_themes
from gptoss_tui.app.widgets.gpu_card import GpuCard, GpuHistory
from gptoss_tui.app.widgets.gpu_pane import GpuPane, GpuView
from gptoss_tui.app.widgets.memory_bar import MemoryBar
from gptoss_tui.domain.gpu import GIB, GpuSample
from gptoss_tui.domain.plan.types import MemoryPlan
from gptoss_tui.state.paths import theme_dirs

Compare = Callable[..., bool]


class OneWidget(App[None]):
    """Nothing but one widget, in our own colours."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self._widget = widget
        for theme in load_themes(theme_dirs())[0]:
            self.register_theme(theme)
        self.theme = DEFAULT

    def compose(self) -> ComposeResult:
        yield self._widget


def plan(**changes: Any) -> MemoryPlan:
    figures: dict[str, float] = {
        "device_total": 79.6, "used_by_others": 0.0, "budget": 73.2, "weights": 61.3,
        "activation": 1.4, "non_torch": 0.3, "cuda_graphs": 0.2, "kv_cache": 9.7,
        "outside_budget": 0.4,
    }  # fmt: skip
    return MemoryPlan(**(figures | changes))


@pytest.mark.parametrize("others", [0.0, 30.5], ids=["free", "shared"])
def test_memory_bar(snap_compare: Compare, others: float) -> None:
    bar = MemoryBar()
    bar.styles.height = 6
    bar.memory = plan(used_by_others=others, kv_cache=max(0.0, 9.7 - others))
    assert snap_compare(OneWidget(bar), terminal_size=(70, 7))


def sample(index: int, **changes: Any) -> GpuSample:
    figures: dict[str, Any] = {
        "index": index, "power_w": 583.0, "gpu_temp_c": 63.0, "memory_temp_c": 97.0,
        "sm_pct": 95.0, "memory_pct": 59.0, "memory_used_bytes": 71 * GIB,
        "memory_total_bytes": 80 * GIB,
    }  # fmt: skip
    return GpuSample(**(figures | changes))


@pytest.mark.parametrize("size", [(78, 20), (78, 4), (38, 6)], ids=["tall", "pair", "narrow"])
def test_gpu_cards(snap_compare: Compare, size: tuple[int, int]) -> None:
    past = GpuHistory(
        sm=tuple(float(n * 7 % 100) for n in range(90)),
        power=tuple(90.0 + n * 5 for n in range(90)),
    )
    unknown = sample(1, power_w=None, sm_pct=None, memory_used_bytes=None)
    cards = (
        GpuCard(sample(0), past, power_limit_w=700.0, name="NVIDIA H100 80GB HBM3"),
        GpuCard(unknown, GpuHistory(), name="NVIDIA H100 80GB HBM3"),
    )
    pane = GpuPane()
    pane.view = GpuView(cards)
    assert snap_compare(OneWidget(pane), terminal_size=size)
