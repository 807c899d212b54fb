"""Reading a metrics page (the Prometheus text format): what all engines' pages have in common."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from gptoss_tui.domain.parse.numbers import finite
from gptoss_tui.domain.serving import EngineCounters, Histogram

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

    Samples = list[Sample]

_SUFFIXES = ("_total", "_bucket", "_sum", "_count")
# A page has a few hundred series, the same ones at every scrape. What is longer than any real one
# is read and not kept.
_SERIES = 4096
_LONG = 4096


def families(page: str, wanted: frozenset[str]) -> dict[str, Samples]:
    """The samples of the wanted families, by the family's name without `_total`.

    Never raises: a line that cannot be read is left out. The names and labels of a series are read
    once and remembered, since reading them costs twenty times more than their value.
    """
    found: dict[str, Samples] = {}
    for line in page.replace("\r", "").split("\n"):  # a label may hold other separators
        if line.startswith("#"):
            continue
        name = _base(line.split("{", 1)[0].split(" ", 1)[0], wanted)
        if name in wanted and (sample := _sample(line)) is not None:
            found.setdefault(name, []).append(sample)
    return found


def _base(name: str, wanted: frozenset[str]) -> str:
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name[: -len(suffix)] in wanted:
            return name[: -len(suffix)]
    return name


def _sample(line: str) -> Sample | None:
    """A line `series value [timestamp]`."""
    end = line.rfind("}") + 1 or line.find(" ")
    series, rest = line[:end], line[end:].split()
    try:
        value = float(rest[0])
        read = (_known_series if len(series) < _LONG else _series)(series)
    except (ValueError, IndexError, KeyError):
        return None
    return read._replace(value=value)


def _series(series: str) -> Sample:
    """Name and labels. Raises `ValueError`, `IndexError` or `KeyError` for what is none."""
    # The package brings an HTTP server along: it is loaded where a page is read, not before.
    from prometheus_client.parser import text_string_to_metric_families

    return next(iter(text_string_to_metric_families(f"{series} 0\n"))).samples[0]


_known_series = lru_cache(maxsize=_SERIES)(_series)


def total(family: Samples | None) -> float | None:
    """The sum over engines (data parallel replicas have one sample each)."""
    values = [value for value in _values(family) if 0 <= value < math.inf]
    return sum(values) if values else None


def mean(family: Samples | None) -> float | None:
    """The mean of a share (0 to 1) over engines."""
    values = [value for value in _values(family) if 0 <= value <= 1]
    return sum(values) / len(values) if values else None


def _values(family: Samples | None) -> Iterable[float]:
    return (sample.value for sample in family or ())


def counters(
    found: Mapping[str, Samples], plain: Mapping[str, str], histograms: Mapping[str, str]
) -> EngineCounters:
    """The counters of a page; the tables name each family's field, later families win."""
    figures: dict[str, float | Histogram | None] = {}
    for name, field in plain.items():
        if name in found:
            samples = [
                sample.value
                for sample in found[name]
                if not sample.name.endswith("_created") and math.isfinite(sample.value)
            ]
            figures[field] = sum(samples) if samples else None
    for name, field in histograms.items():
        if name in found:
            figures[field] = _histogram(found[name])
    return EngineCounters(**figures)  # type: ignore[arg-type]


def _histogram(family: Samples) -> Histogram:
    buckets: defaultdict[float, float] = defaultdict(float)
    added = count = 0.0
    for sample in family:
        if not math.isfinite(sample.value):
            continue
        if sample.name.endswith("_bucket"):
            bound = finite(sample.labels.get("le"))
            if bound is not None:
                buckets[bound] += sample.value
        elif sample.name.endswith("_sum"):
            added += sample.value
        elif sample.name.endswith("_count"):
            count += sample.value
    return Histogram(buckets=tuple(sorted(buckets.items())), total=added, count=count)


def model_name(found: Mapping[str, Samples]) -> str | None:
    """The model that the samples are labelled with."""
    for family in found.values():
        for sample in family:
            if name := sample.labels.get("model_name"):
                return str(name)
    return None
