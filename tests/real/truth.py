"""How true it was what a launch showed of a phase: each second of it, held against what then came."""

from __future__ import annotations

import json
import statistics
import subprocess
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from tests.real.cli import Document

MIB = 1024**2
SHORT_S = 15.0
FROM = 0.1  # the shown time left counts from here on
Shown = tuple[datetime, Document]


@dataclass(frozen=True)
class Figures:
    """`errors`: by how much of the truth each shown time left was off, one for each second.

    `off_s` has the same in seconds.
    """

    took_s: float
    total_bytes: int
    rate_bytes_per_s: float
    errors: tuple[float, ...]
    off_s: tuple[float, ...]
    seconds: int
    went_back: int
    at_100: int
    stalled_s: float
    shown_rate_off: float

    @property
    def median_error(self) -> float | None:
        """None where no time left was shown."""
        return statistics.median(self.errors) if self.errors else None

    @property
    def within_20(self) -> float:
        return sum(error <= 0.2 for error in self.errors) / max(1, len(self.errors))

    @property
    def true(self) -> bool:
        """Whether all that is demanded of it holds.

        What takes a few seconds need not show a time left; what it shows is right to two of them.
        """
        if self.went_back or self.at_100 or not self.total_bytes:
            return False
        if self.took_s < SHORT_S:
            return not self.off_s or statistics.median(self.off_s) <= 2
        return len(self.errors) >= self.seconds / 3 and (self.median_error or 0.0) <= 0.2

    def words(self) -> str:
        """One line: what came, how far off the time left was, and what must not be."""
        median = self.median_error
        shown = "no time left shown"
        if median is not None:
            shown = f"median {median:.1%} off ({statistics.median(self.off_s):.1f} s)"
        return (
            f"{self.total_bytes / MIB:.0f} MiB at {self.rate_bytes_per_s / MIB:.1f} MiB/s in "
            f"{self.took_s:.0f} s: {shown}, shown {len(self.errors)} of {self.seconds} s, "
            f"{self.within_20:.0%} within 20 %; rate {self.shown_rate_off:.0%} off; "
            f"went back {self.went_back}, at 100 % {self.at_100}, stalled {self.stalled_s:.0f} s"
        )


def watched(launch: subprocess.Popen[str], phase: str) -> list[Shown]:
    """What `launch --wait --json` said of one phase, until that is over. It must be done then."""
    shown: list[Shown] = []
    document: Document = {}
    assert launch.stdout is not None
    for line in launch.stdout:
        document = json.loads(line)
        if document.get("body", {}).get("kind") == "launch":
            one = next(one for one in document["body"]["phases"] if one["name"] == phase)
            shown.append((datetime.fromisoformat(document["our_time"]), one))
            if one["state"] not in ("pending", "running"):
                break
    assert shown, (document, launch.communicate())
    assert shown[-1][1]["state"] == "done", (shown[-1], document, launch.communicate())
    return shown


def figures(
    shown: list[Shown], rate: float, *, by_time: bool = False, after: datetime | None = None
) -> Figures:
    """The errors count from the first tenth on, of the bytes, or `by_time` of the time.

    With `after` from then on: until a stall has passed nobody can know of it.
    """
    running = [(at, phase) for at, phase in shown if phase["state"] == "running"]
    begin = running[0][0]
    end = next(at for at, phase in shown if phase["state"] == "done")
    took = (end - begin).total_seconds()
    each = _each_second(running)
    counted = [
        (at, phase)
        for at, phase in each
        if ((at - begin).total_seconds() / took if by_time else phase["fraction"] or 0.0) >= FROM
        and (after is None or at >= after)
    ]
    lefts = [(at, phase["left_s"]) for at, phase in counted if phase["left_s"] is not None]
    rates = [phase["rate_bytes_per_s"] for _, phase in counted if phase["rate_bytes_per_s"]]
    pairs = [(left, truth) for at, left in lefts if (truth := (end - at).total_seconds()) >= 1]
    fractions = [phase["fraction"] or 0.0 for _, phase in running]
    dones = [phase["done_bytes"] or 0 for _, phase in running]
    return Figures(
        took_s=took,
        total_bytes=running[-1][1]["total_bytes"] or 0,
        rate_bytes_per_s=rate,
        errors=tuple(abs(left - truth) / truth for left, truth in pairs),
        off_s=tuple(abs(left - truth) for left, truth in pairs),
        seconds=len(counted),
        went_back=sum(b < a for series in (fractions, dones) for a, b in pairwise(series)),
        at_100=sum(fraction >= 1 for fraction in fractions),
        stalled_s=max((phase["stalled_s"] or 0.0 for _, phase in running), default=0.0),
        shown_rate_off=abs(statistics.median(rates) / rate - 1) if rates else 1.0,
    )


def _each_second(running: list[Shown]) -> list[Shown]:
    """What stood on the screen at each whole second since the begin."""
    begin, found, at = running[0][0], [], 1
    for (_, phase), (later, _) in pairwise(running):
        while (later - begin).total_seconds() >= at:
            moment = datetime.fromtimestamp(begin.timestamp() + at, begin.tzinfo)
            found.append((moment, phase))
            at += 1
    return found
