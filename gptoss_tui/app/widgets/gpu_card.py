"""One GPU as lines of cells, in one of three sizes: the columns of `nvidia-smi dmon -s pum`.

"line" is one row, "pair" two rows with every column, "tall" adds charts, for boxes with few GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gptoss_tui.app.widgets.figures import foreign, gib, left, right, size, whole
from gptoss_tui.app.widgets.line_chart import Chart, chart_lines
from gptoss_tui.app.widgets.paint import Cell, padded, spread, width_of
from gptoss_tui.app.widgets.spark import bar, sparkline
from gptoss_tui.domain.gpu import GpuSample

CardSize = Literal["line", "pair", "tall"]
HEIGHTS: dict[CardSize, int] = {"line": 1, "pair": 2, "tall": 8}

# Where a data-centre card starts to throttle, a little before its limit: °C of core and of memory.
HOT_C = 85.0
HOT_MEMORY_C = 95.0
# Above this the next allocation may fail.
FULL = 0.97


@dataclass(frozen=True)
class GpuHistory:
    """What is drawn of the past of one GPU, oldest first."""

    sm: tuple[float | None, ...] = ()
    power: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class GpuCard:
    """All that a card shows."""

    sample: GpuSample
    history: GpuHistory = GpuHistory()
    power_limit_w: float | None = None
    name: str | None = None
    names_differ: bool = False


def card_lines(card: GpuCard, width: int, card_size: CardSize) -> list[list[Cell]]:
    """The card in exactly `HEIGHTS[card_size]` lines."""
    if card_size == "line":
        return [_one_line(card, width)]
    if card_size == "pair":
        return [_upper(card, width), _lower(card, width)]
    return _tall(card, width)


def _index(card: GpuCard) -> Cell:
    return (right(str(card.sample.index), 2) + " ", "title")


def _load(card: GpuCard) -> list[Cell]:
    sample = card.sample
    return [
        ("  sm ", "dim"), (right(whole(sample.sm_pct, "%"), 4), "strong"),
        ("  mem ", "dim"), (right(whole(sample.memory_pct, "%"), 4), "text"),
    ]  # fmt: skip


def _power(card: GpuCard) -> list[Cell]:
    return [
        (right(whole(card.sample.power_w), 5), "strong"),
        (f"/{left(whole(card.power_limit_w), 4).rstrip()} W".ljust(7), "dim"),
    ]


def _degrees(value: float | None, limit: float) -> Cell:
    """A temperature, with `!` where it is too hot."""
    hot = value is not None and value >= limit
    return (right(whole(value, "°") + ("!" if hot else " "), 6), "bad" if hot else "text")


def _temperatures(card: GpuCard) -> list[Cell]:
    sample = card.sample
    return [
        _degrees(sample.gpu_temp_c, HOT_C),
        ("mem", "dim"),
        _degrees(sample.memory_temp_c, HOT_MEMORY_C),
    ]


def _memory_ratio(sample: GpuSample) -> float | None:
    used, total = sample.memory_used_bytes, sample.memory_total_bytes
    return used / total if used is not None and total else None


def _memory_bar(sample: GpuSample, width: int) -> list[Cell]:
    ratio = _memory_ratio(sample)
    filled, empty = bar(ratio, width)
    return [(filled, "warn" if ratio is not None and ratio > FULL else "accent"), (empty, "faint")]


def _memory_figures(sample: GpuSample) -> list[Cell]:
    used = right(gib(sample.memory_used_bytes), 6)
    return [(used, "strong"), (f"/{gib(sample.memory_total_bytes)}G".ljust(7), "dim")]


def _engines(sample: GpuSample) -> list[list[Cell]]:
    """The small columns, the most wanted first."""
    triples = (
        ("enc", whole(sample.encoder_pct), 2), ("dec", whole(sample.decoder_pct), 2),
        ("jpg", whole(sample.jpeg_pct), 2), ("ofa", whole(sample.optical_flow_pct), 2),
        ("bar1", size(sample.bar1_used_bytes), 4), ("ccpm", size(sample.confidential_used_bytes), 2),
    )  # fmt: skip
    return [[(f" {name} ", "dim"), (value.ljust(wide), "text")] for name, value, wide in triples]


def _upper(card: GpuCard, width: int) -> list[Cell]:
    start: list[Cell] = [_index(card)]
    if card.names_differ and width >= 70:
        start.append((left(foreign(card.name), 14) + " ", "text"))
    end = [*_load(card), *_power(card), *_temperatures(card)]
    if width_of(start) + width_of(end) + 6 > width:
        end = [*_load(card)[:2], *_power(card)[:1], ("W", "dim"), _temperatures(card)[0]]
    room = max(0, width - width_of(start) - width_of(end))
    spark = sparkline(card.history.sm, room, 100.0)
    return [*start, (spark, "cool"), *end]


def _lower(card: GpuCard, width: int) -> list[Cell]:
    sample = card.sample
    engines = _engines(sample)
    figures = _memory_figures(sample)
    fixed = 3 + width_of(figures)
    while engines and fixed + sum(width_of(one) for one in engines) + 8 > width:
        engines.pop()
    tail = [cell for one in engines for cell in one]
    room = max(0, width - fixed - width_of(tail))
    start: list[Cell] = [("   ", "text"), *_memory_bar(sample, room)]
    return [*start, *figures, *tail]


def _one_line(card: GpuCard, width: int) -> list[Cell]:
    figures = _memory_figures(card.sample)
    end = [*_load(card), *_power(card), *_temperatures(card)]
    tail = [cell for one in _engines(card.sample) for cell in one]
    start: list[Cell] = [_index(card)]
    fixed = width_of(start) + width_of(figures)
    if width < 62:
        end = [*_load(card)[:2], *_power(card)[:1], ("W", "dim"), _temperatures(card)[0]]
    if fixed + width_of(end) + width_of(tail) + 40 > width:
        tail = []
    room = max(0, width - fixed - width_of(end) - width_of(tail))
    spark = room // 2 if room >= 16 else max(0, room - 1)
    middle = _memory_bar(card.sample, room - spark - 1)
    start += [(sparkline(card.history.sm, spark, 100.0), "cool"), (" ", "text")]
    return [*start, *middle, *figures, *end, *tail]


def _tall(card: GpuCard, width: int) -> list[list[Cell]]:
    sample = card.sample
    name: list[Cell] = [
        ("GPU ", "dim"),
        (f"{sample.index} ", "title"),
        (foreign(card.name), "text"),
    ]
    heat: list[Cell] = [
        ("core", "dim"), _degrees(sample.gpu_temp_c, HOT_C),
        ("  memory", "dim"), _degrees(sample.memory_temp_c, HOT_MEMORY_C), (" ", "text"),
    ]  # fmt: skip
    half = (width - 3) // 2
    load = Chart(
        "sm", card.history.sm, whole(sample.sm_pct, " %"), top=100.0,
        note=f"mem {whole(sample.memory_pct, ' %')}",
    )  # fmt: skip
    power = Chart(
        "power", card.history.power, whole(sample.power_w, " W"), top=card.power_limit_w,
        note=f"of {whole(card.power_limit_w)} W", ink="good",
    )  # fmt: skip
    pairs = zip(chart_lines(load, half, 4), chart_lines(power, half, 4), strict=True)
    charts = [[*padded(one, half), ("   ", "text"), *two] for one, two in pairs]
    figures = _memory_figures(sample)
    room = max(0, width - width_of(figures) - 4)
    memory: list[Cell] = [("fb  ", "dim"), *_memory_bar(sample, room), *figures]
    small = [cell for one in _engines(sample) for cell in one]
    return [spread(name, heat, width), *charts, memory, [("   ", "text"), *small], []]
