"""Reading a metrics page (the Prometheus text format): what all engines' pages have in common."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from gptoss_tui.domain.parse.numbers import finite
from gptoss_tui.domain.serving import EngineCounters, Histogram

if TYPE_CHECKING:
    from prometheus_client import Metric

_SUFFIXES = ("_total", "_bucket", "_sum", "_count")


def families(page: str, wanted: frozenset[str]) -> dict[str, Metric]:
    """The wanted families, by their names without `_total`. Never raises on odd pages.

    Their lines are picked first: parsing all 55 kB of a page costs twenty times more.
    """
    # The package brings an HTTP server along: it is loaded where a page is read, not before.
    from prometheus_client.parser import text_string_to_metric_families

    picked = "\n".join(line for line in page.splitlines() if _is_wanted(line, wanted))
    found: dict[str, Metric] = {}
    try:
        for family in text_string_to_metric_families(picked + "\n"):
            # Samples without a "# TYPE" line come one by one, under their whole names.
            name = _base(family.name, wanted)
            if name in found:
                found[name].samples.extend(family.samples)
            else:
                found[name] = family
    except (ValueError, KeyError, IndexError):
        return found  # a torn page: what was read before the tear is still true
    return found


def _is_wanted(line: str, wanted: frozenset[str]) -> bool:
    if line.startswith(("# TYPE ", "# HELP ")):
        return _base(line.split(" ", 3)[2], wanted) in wanted
    return _base(line.split("{", 1)[0].split(" ", 1)[0], wanted) in wanted


def _base(name: str, wanted: frozenset[str]) -> str:
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name[: -len(suffix)] in wanted:
            return name[: -len(suffix)]
    return name


def total(family: Metric | None) -> float | None:
    """The sum over engines (data parallel replicas have one sample each)."""
    values = [value for value in _values(family) if 0 <= value < math.inf]
    return sum(values) if values else None


def mean(family: Metric | None) -> float | None:
    """The mean of a share (0 to 1) over engines."""
    values = [value for value in _values(family) if 0 <= value <= 1]
    return sum(values) / len(values) if values else None


def _values(family: Metric | None) -> Iterable[float]:
    return (sample.value for sample in family.samples) if family else ()


def counters(
    found: Mapping[str, Metric], plain: Mapping[str, str], histograms: Mapping[str, str]
) -> EngineCounters:
    """The counters of a page; the tables name each family's field, later families win."""
    figures: dict[str, float | Histogram | None] = {}
    for name, field in plain.items():
        if name in found:
            samples = [
                sample.value
                for sample in found[name].samples
                if not sample.name.endswith("_created") and math.isfinite(sample.value)
            ]
            figures[field] = sum(samples) if samples else None
    for name, field in histograms.items():
        if name in found:
            figures[field] = _histogram(found[name])
    return EngineCounters(**figures)  # type: ignore[arg-type]


def _histogram(family: Metric) -> Histogram:
    buckets: defaultdict[float, float] = defaultdict(float)
    added = count = 0.0
    for sample in family.samples:
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


def model_name(found: Mapping[str, Metric]) -> str | None:
    """The model that the samples are labelled with."""
    for family in found.values():
        for sample in family.samples:
            if name := sample.labels.get("model_name"):
                return str(name)
    return None
