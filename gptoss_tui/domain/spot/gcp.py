"""Google Cloud: `preempted` becomes TRUE when the shutdown begins, 30 s before it is cut short.

https://cloud.google.com/compute/docs/instances/spot#preemption-process
https://cloud.google.com/compute/docs/instances/create-use-spot#detect-preemption
https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.spot.metadata import Identity, Question, Reply
from gptoss_tui.domain.spot.notice import SpotNotice

_ROOT = "/computeMetadata/v1/instance"
_FLAVOR = (("Metadata-Flavor", "Google"), ("Host", "metadata.google.internal"))
# At most, and as a best effort: ACPI G3 follows. A longer one can be asked for, and is not told.
NOTICE_S = 30.0


class Gcp:
    """Without the header the service refuses to answer (403)."""

    cloud: Cloud = "gcp"
    period_s = 1.0
    token: Question | None = None
    token_header = ""
    identity = Question(f"{_ROOT}/scheduling/preemptible", _FLAVOR)
    notices: tuple[Question, ...] = (Question(f"{_ROOT}/preempted", _FLAVOR),)

    def identified(self, reply: Reply) -> Identity | None:
        return Identity() if reply.status == 200 and reply.text.strip() == "TRUE" else None

    def read(self, replies: Sequence[Reply], identity: Identity) -> SpotNotice | None:
        """The time is told by none: it is counted from when this answer was first seen."""
        (reply,) = replies
        if reply.status != 200 or reply.text.strip() != "TRUE":
            return None
        deadline = reply.at + timedelta(seconds=NOTICE_S)
        return SpotNotice(cloud="gcp", action="preempt", deadline=deadline, left_s=NOTICE_S)
