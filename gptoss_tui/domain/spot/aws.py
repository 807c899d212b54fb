"""Amazon EC2: two minutes before a spot instance is stopped or terminated, at once on hibernation.

The notice, and how often to ask (every 5 s):
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
The earlier warning: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
The token (IMDSv2): https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.spot.metadata import Identity, Question, Reply, document, until, utc
from gptoss_tui.domain.spot.notice import Action, SpotNotice

_ROOT = "/latest/meta-data"
_TTL_S = "21600"  # the longest there is


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

    def identified(self, reply: Reply) -> Identity | None:
        return Identity() if reply.status == 200 and reply.text.strip() == "spot" else None

    def read(self, replies: Sequence[Reply], identity: Identity) -> SpotNotice | None:
        """Both are 404 until there is something to tell."""
        action, rebalance = replies
        told = document(action)
        if told.get("action") in ("terminate", "stop", "hibernate"):
            deadline = utc(told.get("time"))
            return SpotNotice(
                cloud="aws",
                action=cast("Literal['terminate', 'stop', 'hibernate']", told["action"]),
                deadline=deadline,
                left_s=until(deadline, action.at),
            )
        risk: Action = "rebalance"
        return SpotNotice(cloud="aws", action=risk) if document(rebalance) else None
