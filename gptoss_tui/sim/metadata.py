"""The metadata service of a simulated spot box, as each cloud has it."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime

from gptoss_tui.domain.spot.metadata import ADDRESS
from gptoss_tui.sim.http import Request, Response, json_response
from gptoss_tui.sim.world import World

__all__ = ["ADDRESS", "MetadataApi"]

_TOKEN = "AQAEAE1ldGFkYXRh"  # noqa: S105 - of the simulated service
_AWS = "/latest/meta-data"
_GCP = "/computeMetadata/v1/instance"


class MetadataApi:
    """`handle` answers one request; each refuses who does not send the header that it wants."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle(self, request: Request) -> Response:
        answers = {"aws": self._aws, "gcp": self._gcp, "azure": self._azure}
        answer = answers[self._world.profile.cloud or "aws"](request)
        date = ("date", format_datetime(self._world.clock.now(), usegmt=True))
        return Response(answer.status, answer.body, answer.content_type, (*answer.headers, date))

    def _aws(self, request: Request) -> Response:
        if request.path == "/latest/api/token":
            asked = (
                request.method == "PUT"
                and request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "").isdigit()
            )
            return _text(_TOKEN) if asked else Response(400)
        if request.headers.get("x-aws-ec2-metadata-token") != _TOKEN:
            return Response(401)
        if request.path == f"{_AWS}/instance-life-cycle":
            return _text("spot")
        deadline = self._world.taken_back_at()
        if deadline is not None and request.path == f"{_AWS}/spot/instance-action":
            return json_response({"action": "terminate", "time": _iso(deadline)})
        return Response(404)

    def _gcp(self, request: Request) -> Response:
        if request.headers.get("metadata-flavor") != "Google":
            return Response(403)
        flags = {
            f"{_GCP}/scheduling/preemptible": True,
            f"{_GCP}/preempted": self._world.taken_back_at() is not None,
        }
        if request.path not in flags:
            return Response(404)
        return _text("TRUE" if flags[request.path] else "FALSE")

    def _azure(self, request: Request) -> Response:
        if request.headers.get("metadata") != "true":
            return Response(400)
        name, deadline = self._world.profile.hostname, self._world.taken_back_at()
        if request.path == "/metadata/instance/compute":
            about = {"name": name, "priority": "Spot", "evictionPolicy": "Deallocate"}
            return json_response(about)
        if request.path != "/metadata/scheduledevents":
            return Response(404)
        events = []
        if deadline is not None:
            events.append({
                "EventId": "A123BC45-1234-5678-AB90-ABCDEF123456", "EventStatus": "Scheduled",
                "EventType": "Preempt", "ResourceType": "VirtualMachine", "Resources": [name],
                "NotBefore": format_datetime(deadline, usegmt=True), "EventSource": "Platform",
            })  # fmt: skip
        return json_response({"DocumentIncarnation": len(events), "Events": events})


def _text(text: str) -> Response:
    return Response(200, text.encode(), "text/plain")


def _iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
