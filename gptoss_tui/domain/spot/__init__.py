"""Boxes that their provider may take back: which clouds say so on the box, and what to do then.

`docs/lifecycle.md` tells users of it.
"""

from gptoss_tui.domain.spot.clouds import METADATA, cloud_of
from gptoss_tui.domain.spot.drain import drain_plan
from gptoss_tui.domain.spot.metadata import Identity, Metadata, Question, Reply, Unseen
from gptoss_tui.domain.spot.notice import (
    SpotNotice,
    drain_time,
    same_notice,
    seconds_left,
    withdrawn,
)

__all__ = [
    "METADATA",
    "Identity",
    "Metadata",
    "Question",
    "Reply",
    "SpotNotice",
    "Unseen",
    "cloud_of",
    "drain_plan",
    "drain_time",
    "same_notice",
    "seconds_left",
    "withdrawn",
]
