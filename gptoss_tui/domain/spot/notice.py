"""The notice that a provider gives before it takes a spot box back."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from gptoss_tui.domain.facts import Body, Fact
from gptoss_tui.domain.host import Cloud

Action = Literal["terminate", "stop", "preempt", "hibernate", "rebalance", "withdrawn"]

NAMES: dict[Cloud, str] = {"aws": "AWS", "gcp": "Google Cloud", "azure": "Azure"}
_WHAT: dict[Action, str] = {
    "terminate": "takes this box back and deletes it",
    "stop": "takes this box back and stops it",
    "preempt": "takes this box back",
    "hibernate": "hibernates this box",
    "rebalance": "says that this box is at a higher risk of being taken back",
    "withdrawn": "has withdrawn its notice: the box stays",
}
LEAST_S = 30.0
_AT_MOST: tuple[Cloud, ...] = ("gcp",)  # tells no time: it began to count before we saw it


class SpotNotice(Body, frozen=True, kw_only=True, tag="spot"):
    """What the provider has in mind with a box, and by when.

    "preempt" leaves open whether the box is stopped or deleted; "rebalance" is a warning without a
    time; "withdrawn" ends an earlier notice. `deadline` is the provider's own time (UTC), `left_s`
    the seconds to it when this was read: `seconds_left` counts on, whatever our clock shows.
    """

    cloud: Cloud
    action: Action
    deadline: datetime | None = None
    left_s: float | None = None

    @property
    def ends(self) -> bool:
        """Whether the box goes away, so that its servers should be drained first."""
        return self.action in ("terminate", "stop", "preempt")

    def text(self, left_s: float | None) -> str:
        """One sentence for people, with `left_s` seconds to go."""
        when = ""
        if self.ends and left_s is not None:
            most = "at most " if self.cloud in _AT_MOST else ""
            when = f" in {most}{left_s:.0f} s" if left_s > 0 else " now"
        return f"{NAMES[self.cloud]} {_WHAT[self.action]}{when}."


def withdrawn(notice: SpotNotice) -> SpotNotice:
    """What is said once a notice that was there is there no more."""
    return SpotNotice(cloud=notice.cloud, action="withdrawn")


def same_notice(known: SpotNotice, found: SpotNotice) -> bool:
    """Whether `found` says what is known: then that holds, for it was seen first.

    Google tells no time, and Azure none once it has begun.
    """
    timeless = found.cloud == "gcp" or found.deadline is None
    same = (found.cloud, found.action) == (known.cloud, known.action)
    return same and (timeless or found.deadline == known.deadline)


def seconds_left(fact: Fact[SpotNotice], now: datetime) -> float | None:
    """Seconds until the box is taken back, at our time `now`; 0 when it is over, None: not told."""
    left = fact.body.left_s
    return None if left is None else max(0.0, left - (now - fact.our_time).total_seconds())


def drain_time(fact: Fact[SpotNotice], now: datetime) -> float:
    """Seconds that a drain may take from `now` on; what all of them give where none is told."""
    left = seconds_left(fact, now)
    if left is not None:
        return left
    return max(0.0, LEAST_S - (now - fact.our_time).total_seconds())
