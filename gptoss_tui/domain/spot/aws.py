"""Amazon EC2: two minutes before a spot instance is stopped or terminated, at once on hibernation.

The notice, and how often to ask (every 5 s):
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
The earlier warning: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
The token (IMDSv2): https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
What its refusals mean: https://repost.aws/knowledge-center/ec2-linux-metadata-retrieval
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.spot.metadata import (
    Identity,
    Question,
    Reply,
    Unseen,
    document,
    unseen,
    until,
    utc,
)
from gptoss_tui.domain.spot.notice import Action, SpotNotice

_ROOT = "/latest/meta-data"
_TTL_S = "21600"  # the longest there is
_SET = "aws ec2 modify-instance-metadata-options --instance-id ID"
# The token's answer travels only as many hops as the instance allows (1 by default), so that it
# does not come into a container.
_HINTS = {
    401: "It wants a token, which does not come to this login: behind a bridge, as in a container, "
    f"it needs more hops ({_SET} --http-put-response-hop-limit 2).",
    403: "The instance's metadata service is turned off, or a proxy stands before it: "
    f"{_SET} --http-endpoint enabled",
}


class Aws:
    """IMDSv2: a PUT gives a token, which every question carries."""

    cloud: Cloud = "aws"
    period_s = 5.0
    token: Question | None = Question(
        "/latest/api/token", (("X-aws-ec2-metadata-token-ttl-seconds", _TTL_S),), "PUT"
    )
    token_header = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
    identity = Question(f"{_ROOT}/instance-life-cycle")
    notices: tuple[Question, ...] = (
        Question(f"{_ROOT}/spot/instance-action"),
        Question(f"{_ROOT}/events/recommendations/rebalance"),
    )

    def identified(self, reply: Reply) -> Identity | Unseen | None:
        """One word: "spot", "on-demand", "scheduled" or "capacity-block"."""
        word = reply.text.strip()
        if reply.status != 200 or not word.replace("-", "").isalpha():
            return unseen(reply, _HINTS)
        return Identity() if word == "spot" else None

    def read(self, replies: Sequence[Reply], identity: Identity) -> SpotNotice | Unseen | None:
        """Both are 404 until there is something to tell."""
        action, rebalance = replies
        told = document(action) or {}
        if told.get("action") in ("terminate", "stop", "hibernate"):
            deadline = utc(told.get("time"))
            return SpotNotice(
                cloud="aws",
                action=cast("Literal['terminate', 'stop', 'hibernate']", told["action"]),
                deadline=deadline,
                left_s=until(deadline, action.at),
            )
        for reply in replies:
            if reply.status != 404 and document(reply) is None:
                return unseen(reply, _HINTS)
        risk: Action = "rebalance"
        return SpotNotice(cloud="aws", action=risk) if document(rebalance) else None
