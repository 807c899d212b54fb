"""A card's memory as a bar: what the plan puts where."""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import reactive
from textual.strip import Strip

from gptoss_tui.app.widgets.paint import Cell, Painted
from gptoss_tui.domain.engines.registry import engine_named
from gptoss_tui.domain.plan.types import MemoryPlan

# Name, mark in the bar (each of its own shade: meaning is never by colour alone), ink.
_PARTS = (
    ("used by others", "╳", "bad"),
    ("weights", "█", "cool"),
    ("activation, graphs", "▚", "accent"),
    ("KV cache", "▒", "good"),
    ("left over", "·", "faint"),
)
_BAR = range(1, 3)  # the lines that the bar takes


def shares(plan: MemoryPlan) -> tuple[float, ...]:
    """GiB of each part, in the order of the bar; together the whole card."""
    fixed = plan.buffers
    kv = max(0.0, plan.kv_cache)
    rest = plan.device_total - plan.used_by_others - plan.weights - fixed - kv
    return plan.used_by_others, plan.weights, fixed, kv, max(0.0, rest)


def bar_cells(plan: MemoryPlan, width: int) -> list[Cell]:
    """The bar in exactly `width` cells; a part that is there has at least one."""
    parts = shares(plan)
    total = max(sum(parts), plan.device_total)
    widths = [max(1, round(part / total * width)) if part > 0.005 else 0 for part in parts]
    while sum(widths) != width and any(widths):
        # Give to or take from the largest part: there it is not seen.
        largest = widths.index(max(widths))
        widths[largest] += 1 if sum(widths) < width else -1
    return [
        (mark * cells, ink) for (_, mark, ink), cells in zip(_PARTS, widths, strict=True) if cells
    ]


def legend_cells(plan: MemoryPlan, narrow: bool) -> list[list[Cell]]:
    """What the marks stand for, with GiB."""
    cells: list[list[Cell]] = []
    for (name, mark, ink), part in zip(_PARTS, shares(plan), strict=True):
        if part > 0.005:
            word = name.split(",")[0] if narrow else name
            cells.append([(f"{mark} ", ink), (f"{word} ", "dim"), (f"{part:.1f}  ", "strong")])
    return cells


def _title(plan: MemoryPlan, engine: str, width: int) -> str:
    """What the bar is of, and how much of it the engine takes; shorter where that is cut."""
    whose = "all GPUs" if engine == "ollama" else "one GPU"
    title = engine_named(engine).title
    for use in (" may use", ":"):
        text = f"{whose}, {plan.device_total:.1f} GiB ({title}{use} {plan.budget:.1f})"
        if len(text) <= width:
            break
    return text


class MemoryBar(Painted):
    """Draws the memory of one GPU of a plan; nothing while there is no plan.

    A plan for Ollama has the memory of all GPUs together: it spreads the layers by itself.
    """

    DEFAULT_CSS = "MemoryBar { overflow: hidden hidden; height: auto; }"
    can_focus = False
    memory: reactive[MemoryPlan | None] = reactive(None, layout=True)
    engine: reactive[str] = reactive("vllm")

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 0 if self.memory is None else _BAR.stop + len(self._legend(width))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if self.memory is None:
            return self.blank(width)
        if y == 0:
            return self.strip([(_title(self.memory, self.engine, width), "dim")], width)
        if y in _BAR:
            return self.strip(bar_cells(self.memory, width), width)
        lines = self._legend(width)
        below = y - _BAR.stop
        return self.strip(lines[below], width) if below < len(lines) else self.blank(width)

    def _legend(self, width: int) -> list[list[Cell]]:
        assert self.memory is not None
        lines: list[list[Cell]] = [[]]
        for entry in legend_cells(self.memory, narrow=width < 60):
            taken = sum(len(text) for text, _ in lines[-1])
            if taken + sum(len(text) for text, _ in entry) > width:
                lines.append([])
            lines[-1] += entry
        return lines
