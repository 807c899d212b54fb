"""Google Cloud: `preempted` becomes TRUE when the shutdown begins, 30 s before it is cut short.

https://cloud.google.com/compute/docs/instances/spot#preemption-process
https://cloud.google.com/compute/docs/instances/create-use-spot#detect-preemption
https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.spot.metadata import Identity, Question, Reply, Unseen, unseen
from gptoss_tui.domain.spot.notice import SpotNotice

_ROOT = "/computeMetadata/v1/instance"
_FLAVOR = (("Metadata-Flavor", "Google"), ("Host", "metadata.google.internal"))
# At most, and as a best effort: ACPI G3 follows. A longer one can be asked for, and is not told.
NOTICE_S = 30.0
_PROXY = "A proxy stands before it: let this login reach 169.254.169.254 without one."
_HINTS = {403: _PROXY}


class Gcp:
    """Without the header, and with one that a proxy adds, the service refuses to answer (403)."""

    cloud: Cloud = "gcp"
    period_s = 1.0
    token: Question | None = None
    token_header = ""
    identity = Question(f"{_ROOT}/scheduling/preemptible", _FLAVOR)
    notices: tuple[Question, ...] = (Question(f"{_ROOT}/preempted", _FLAVOR),)

    def identified(self, reply: Reply) -> Identity | Unseen | None:
        told = _told(reply)
        if told is None:
            return unseen(reply, _HINTS)
        return Identity() if told else None

    def read(self, replies: Sequence[Reply], identity: Identity) -> SpotNotice | Unseen | None:
        """The time is told by none: it is counted from when this answer was first seen."""
        (reply,) = replies
        told = _told(reply)
        if told is None:
            return unseen(reply, _HINTS)
        if not told:
            return None
        deadline = reply.at + timedelta(seconds=NOTICE_S)
        return SpotNotice(cloud="gcp", action="preempt", deadline=deadline, left_s=NOTICE_S)


def _told(reply: Reply) -> bool | None:
    """TRUE or FALSE; None where it says neither."""
    word = reply.text.strip() if reply.status == 200 else ""
    return word == "TRUE" if word in ("TRUE", "FALSE") else None
