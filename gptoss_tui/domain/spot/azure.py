"""Azure: Scheduled Events of the type Preempt, at least 30 s ahead.

All machines of an availability or a scale set see the events of each other: `Resources` names whom
one is for. The first question turns the service on, and may be answered after two minutes.
https://learn.microsoft.com/en-us/azure/virtual-machines/linux/scheduled-events
https://learn.microsoft.com/en-us/azure/virtual-machines/instance-metadata-service
Who may ask can be limited: https://learn.microsoft.com/en-us/azure/virtual-machines/metadata-security-protocol/overview
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gptoss_tui.domain.host import Cloud
from gptoss_tui.domain.parse.http_date import http_date
from gptoss_tui.domain.spot.metadata import (
    Identity,
    Question,
    Reply,
    Unseen,
    document,
    unseen,
    until,
)
from gptoss_tui.domain.spot.notice import Action, SpotNotice

_HEADERS = (("Metadata", "true"),)
_AGENT = "The guest proxy agent on the box refuses this login: let it ask the metadata service."
_HINTS = dict.fromkeys((401, 403), _AGENT)
_ACTIONS: dict[str, Action] = {"deallocate": "stop", "delete": "terminate"}


class Azure:
    """The documentation wants the events asked for once a second."""

    cloud: Cloud = "azure"
    period_s = 1.0
    token: Question | None = None
    token_header = ""
    identity = Question("/metadata/instance/compute?api-version=2021-02-01", _HEADERS)
    notices: tuple[Question, ...] = (
        Question("/metadata/scheduledevents?api-version=2020-07-01", _HEADERS),
    )

    def identified(self, reply: Reply) -> Identity | Unseen | None:
        told = document(reply)
        if told is None:
            return unseen(reply, _HINTS)
        if str(told.get("priority")).lower() not in ("spot", "low"):
            return None
        return Identity(
            name=str(told.get("name") or ""), evicted=str(told.get("evictionPolicy") or "")
        )

    def read(self, replies: Sequence[Reply], identity: Identity) -> SpotNotice | Unseen | None:
        (reply,) = replies
        listed = (document(reply) or {}).get("Events")
        if not isinstance(listed, list):
            return unseen(reply, _HINTS)
        for event in (one for one in listed if isinstance(one, dict)):
            if event.get("EventType") == "Preempt" and _is_for(event, identity.name):
                return _notice(event, identity, reply.at)
        return None


def _is_for(event: dict[str, Any], name: str) -> bool:
    named = event.get("Resources")
    if not name or not isinstance(named, list):
        return True
    return name.lower() in (str(one).lower() for one in named)


def _notice(event: dict[str, Any], identity: Identity, at: datetime) -> SpotNotice:
    """An event that has begun has no `NotBefore` any more."""
    deadline = http_date(event.get("NotBefore"))
    left_s = 0.0 if deadline is None else until(deadline, at)
    action = _ACTIONS.get(identity.evicted.lower(), "preempt")
    return SpotNotice(cloud="azure", action=action, deadline=deadline, left_s=left_s)
